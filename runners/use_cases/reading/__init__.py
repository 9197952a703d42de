"""What a person reads of a log before a decision: what fails, and where a training would pay."""
