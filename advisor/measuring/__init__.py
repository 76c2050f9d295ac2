"""One approach under the clock, its record, and quality by the task's metric."""
