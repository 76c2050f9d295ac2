"""A measured row taken elsewhere: written in a format that others load, loaded again by them, and compared."""
