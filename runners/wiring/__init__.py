"""The one place that chooses implementations, and checks what is installed and available."""
