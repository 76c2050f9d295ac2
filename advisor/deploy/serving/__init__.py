"""A row of a run folder behind a port: its own queue and batches, in the shapes that OpenAI's clients speak."""
