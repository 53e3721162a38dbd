"""One spectrum with its continuum: pixels, fit with its error, and the normalised flux."""

import numpy as np
from matplotlib.figure import Figure

from bayescannon.plots.style import BLACK, BLUE, VERMILLION, canvas, styled, title

BAND = 5.0
"""Half-width of the band around the fit [sd]: one sd of a good star's is thinner than a line."""


@styled
def draw(
    wavelength: np.ndarray,
    flux: np.ndarray,
    ivar: np.ndarray,
    continuum: np.ndarray,
    level: np.ndarray,
    error: np.ndarray,
    chip: np.ndarray,
    *,
    star_id: str = "",
    fig: Figure | None = None,
) -> Figure:
    """Draw flux, continuum pixels and fit, detector by detector, with the normalised flux below.

    Parameters
    ----------
    wavelength : (pixel,)
        [Angstrom].
    flux, ivar : (pixel,)
        As observed; ivar 0 = not measured.
    continuum : bool (pixel,)
        The pixels that the fit goes through.
    level, error : (pixel,)
        The fitted continuum and its relative standard deviation; NaN where there is none.
    chip : int (pixel,)
        Detector of each pixel.
    star_id : str
        For the title.
    fig : Figure, optional
        Empty figure to draw in.

    Returns
    -------
    Figure
        Two axes per detector.
    """
    good = (np.asarray(ivar) > 0) & np.isfinite(flux)
    seen = np.where(good, flux, np.nan)
    fig = canvas(fig, 12.0, 8.0)
    detectors = np.unique(chip)
    grid = fig.add_gridspec(2, len(detectors), height_ratios=[1, 1])
    for column, detector in enumerate(detectors):
        here = chip == detector
        x, used = wavelength[here], (continuum & good)[here]
        top = fig.add_subplot(grid[0, column])
        low = fig.add_subplot(grid[1, column], sharex=top)
        y, fit, sd = seen[here], level[here], error[here]
        top.plot(x, y, color=BLACK, lw=0.5, label="observed")
        top.plot(x[used], y[used], ".", color=BLUE, ms=4, label="continuum pixels")
        wide = (fit * (1 - BAND * sd), fit * (1 + BAND * sd))
        top.fill_between(x, *wide, color=VERMILLION, alpha=0.4, lw=0, label=f"fit, {BAND:.0f} sd")
        top.plot(x, fit, color=VERMILLION, lw=1.2, label="continuum")
        low.axhline(1.0, color=VERMILLION, lw=1.2)
        low.plot(x, y / fit, color=BLACK, lw=0.5)
        low.plot(x[used], (y / fit)[used], ".", color=BLUE, ms=4)
        for axes, values in ((top, y), (low, y / fit)):
            if np.isfinite(values).any():
                bottom, ceiling = np.nanquantile(values, [0.001, 0.999])
                margin = 0.1 * (ceiling - bottom)
                axes.set_ylim(bottom - margin, ceiling + margin)
        top.set_title(("blue", "green", "red")[int(detector)] + " detector", loc="left")
        top.tick_params(labelbottom=False)
        low.set_xlabel(r"vacuum wavelength [$\AA$]")
        if column == 0:
            top.set_ylabel("flux [unit of the file]")
            low.set_ylabel("flux [continuum = 1]")
    handles, words = fig.axes[0].get_legend_handles_labels()
    fig.legend(handles, words, loc="outside lower center", ncols=4)
    share = 100 * np.nanmedian(np.where(good, error, np.nan)) if good.any() else np.nan
    title(fig, f"{star_id}: continuum known to {share:.2f} % (median, 1 sd)", "")
    return fig
