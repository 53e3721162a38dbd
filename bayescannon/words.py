"""Numbers in sentences, and the mark of data that were not observed."""

from collections.abc import Mapping
from typing import Any


def plural(n: int, one: str, many: str = "") -> str:
    """Count things in words: `1 star`, `2 stars`; `many` is for words that take more than an s."""
    return f"{n} {one if n == 1 else many or one + 's'}"


SEMI_SYNTHETIC, OBSERVED = "semi-synthetic", "as given"
"""What posteriors, catalogues and figures say of the spectra behind them."""


def mark(made: Mapping[Any, Any] | None) -> str:
    """The mark that figures and closing lines carry: `semi-synthetic`, or nothing.

    Parameters
    ----------
    made : mapping, optional
        Attributes of a posterior, `meta` of a catalogue, or report of a model's training.
    """
    data = (made or {}).get("data")
    return SEMI_SYNTHETIC if data == SEMI_SYNTHETIC else ""
