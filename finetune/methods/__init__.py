"""What each tuner trains in a model, and what becomes of it."""
