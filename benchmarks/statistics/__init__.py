"""The statistics of the verdict, simulated: what is claimed beside how often it holds."""
