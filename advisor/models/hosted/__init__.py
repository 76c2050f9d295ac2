"""Models and embedders that are asked over a connection: servers of one's own, and APIs."""
