"""The winner in use: what a run folder holds answers queries, wherever the folder lies."""

from advisor.deploy.predictors import load_predictor

__all__ = ["load_predictor"]
