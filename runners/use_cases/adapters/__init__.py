"""What people do with adapters beside rollouts: compare two of them, publish them, and export them."""
