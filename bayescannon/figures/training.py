"""What training used and found: its labels (Fig. 13 of the paper) and the intrinsic scatter."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from .corner_star import pairs
from .style import BLUE, VERMILLION, canvas, styled, title
from .windows import broken


@styled
def draw_scatter(
    wavelength: np.ndarray,
    scatter: np.ndarray,
    usable: np.ndarray | None = None,
    *,
    heading: str = "Intrinsic scatter of the model",
    note: str = "",
    fig: Figure | None = None,
) -> Figure:
    """Draw the intrinsic scatter against wavelength, and its histogram.

    Parameters
    ----------
    wavelength : (pixel,)
        [Angstrom].
    scatter : (pixel,)
        Intrinsic scatter, flux units (continuum = 1).
    usable : bool (pixel,), optional
        False where training could not fit the pixel.
    heading, note : str
        Title, and what kind of data it is (`semi-synthetic`).
    fig : Figure, optional
        Empty figure to draw in.

    Returns
    -------
    Figure
        Two axes. Pixels with no scatter at all stand in the lowest bin, and are counted.
    """
    values = np.asarray(scatter, float)
    if usable is not None:
        values = np.where(usable, values, np.nan)
    fig = canvas(fig, 11, 3.8)
    left, right = fig.subplots(1, 2, width_ratios=[3, 1])
    left.plot(wavelength, broken(wavelength, values), color=BLUE, lw=0.6)
    left.set_xlabel(r"vacuum wavelength [$\AA$]")
    left.set_ylabel("intrinsic scatter s [flux, continuum = 1]")
    right.set_xlabel("s [flux, continuum = 1]")
    right.set_ylabel("pixels")
    good = values[np.isfinite(values)]
    if good.size:
        left.set(xlim=(wavelength[0], wavelength[-1]), ylim=(0, 1.15 * good.max() or 1e-3))
        middle = float(np.median(good))
        for line in (left.axhline, right.axvline):
            line(middle, color=VERMILLION, lw=1.2)
        positive = good[good > 0]
        low, high = np.percentile(positive, [0.2, 100]) if positive.size else (1e-4, 1e-2)
        right.hist(np.maximum(good, low), bins=np.geomspace(low, high * 1.001, 50), color=BLUE)
        right.set_xscale("log")
        zero = int((good <= 0).sum())
        words = f"{good.size} pixels, {zero} of them with s = 0; median {middle:.4f} (line)"
        left.text(0.985, 0.95, words, transform=left.transAxes, ha="right", va="top")
    title(fig, heading, note)
    return fig


@styled
def draw_labels(
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
