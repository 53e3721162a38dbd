"""Corner plot of the training labels (Fig. 13 of the paper)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from bayescannon.plots.corner_star import pairs
from bayescannon.plots.style import styled, title


@styled
def draw(
    labels: np.ndarray,
    names: Sequence[str],
    *,
    heading: str = "Training labels",
    note: str = "",
    fig: Figure | None = None,
) -> Figure:
    """Draw all pairs of training labels.

    Parameters
    ----------
    labels : (star, label)
        In label units; stars with a NaN are left out and counted.
    names : sequence of str (label,)
    heading, note : str
        Title, and what kind of data it is (`semi-synthetic`).
    fig : Figure, optional
        Empty figure to draw in, without a layout engine.

    Returns
    -------
    Figure
        label x label axes, those above the diagonal empty.
    """
    labels = np.asarray(labels, float)
    good = labels[np.isfinite(labels).all(axis=1)]
    size = 1.75 * len(names) + 0.9
    fig = Figure(figsize=(size, size)) if fig is None else fig
    lost = len(labels) - len(good)
    text = f"{heading}: {len(good)} stars" + (
        f", {lost} without all labels left out" if lost else ""
    )
    low, high = good.min(axis=0), good.max(axis=0)
    margin = 0.04 * np.where(high > low, high - low, 1.0)
    ranges = list(zip(low - margin, high + margin, strict=True))
    points = {"alpha": 0.35, "ms": 2.5}
    style = {"plot_density": False, "no_fill_contours": True, "data_kwargs": points, "smooth": 1.0}
    pairs(fig, good, names, ranges, **style)
    fig.text(0.95, 0.9, "contours: 68 and 95 % of the stars", ha="right")
    title(fig, text, note)
    return fig
