"""Training of sentence encoders: for labels, by contrast, and to fill in words left out."""
