"""Learning curves: the same comparison with ever more training examples."""

from advisor.curves.sampling import curve

__all__ = ["curve"]
