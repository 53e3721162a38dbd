"""Intrinsic scatter of a model: against wavelength, and its histogram."""

import numpy as np
from matplotlib.figure import Figure

from bayescannon.plots.style import BLUE, VERMILLION, canvas, styled, title
from bayescannon.plots.windows import broken


@styled
def draw(
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
