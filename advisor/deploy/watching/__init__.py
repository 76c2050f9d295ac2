"""What is in use, watched: metrics of a server, what of it drifts, and files for those who draw and alert."""
