"""Where requests are answered: at an endpoint, or by a model of this process."""
