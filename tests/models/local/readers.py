"""Readers as they are on other devices."""

from __future__ import annotations

from advisor.models.local.reader import Reader


class OnGPU(Reader):
    """Reads as where launching kernels is what takes time."""

    launches = True
