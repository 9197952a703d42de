"""Publication of adapters in a registry outside this machine: a folder, a bucket or the Hugging Face Hub."""
