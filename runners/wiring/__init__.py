"""The one place where concrete parts are chosen, what is installed, and what can be had."""
