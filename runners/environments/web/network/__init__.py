"""What a run may reach: a list of hosts, and the proxy that keeps to it."""
