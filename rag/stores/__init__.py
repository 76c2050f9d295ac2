"""Where the vectors of an index's passages lie: in this process, or in a vector store that others run."""
