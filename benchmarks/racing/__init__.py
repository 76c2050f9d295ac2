"""Whether a race keeps what it promises (simulation) and what it saves (replay of finished comparisons)."""
