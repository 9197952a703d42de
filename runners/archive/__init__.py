"""The log as a whole: backup, export, proof of integrity, erasure and replay."""
