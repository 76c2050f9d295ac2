"""The colours of a page, light and dark; a test computes their effects."""

from __future__ import annotations

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "ground": "#ffffff",
    "raised": "#f6f7f8",
    "line": "#dcdfe3",
    "rule": "#7d858e",
    "ink": "#1b1f24",
    "soft": "#59616b",
    "accent": "#0b62a8",
    "wash": "#e8f1f9",
    "good": "#1a6b3c",
    "bad": "#b3261e",
    "doubt": "#855400",
}
DARK: Mapping[str, str] = {
    "ground": "#14171a",
    "raised": "#1d2125",
    "line": "#343a41",
    "rule": "#79818b",
    "ink": "#e8eaed",
    "soft": "#a5adb7",
    "accent": "#7cb8ea",
    "wash": "#18293a",
    "good": "#7cc795",
    "bad": "#f2958d",
    "doubt": "#e0b15a",
}
TEXTS = ("ink", "soft", "accent", "good", "bad", "doubt")
"""The colours in which words are written."""
GROUNDS = ("ground", "raised", "wash")
"""Those that they are written on."""
SHAPES = ("rule", "accent")
"""Those of lines and points that mean something."""


def variables() -> str:
    """Both palettes as CSS variables: as the reader's system has it, unless the page is told otherwise."""
    light, dark = (";".join(f"--{name}:{value}" for name, value in palette.items()) for palette in (LIGHT, DARK))
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f"@media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark}}}}}\n"
    )
