"""The forecast: which quality, time and memory to expect of an approach before it is run, and how sure that is."""
