"""One spectrum: with the model and its residuals in windows, or with its continuum."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescannon.model import Model
from bayescannon.plots.style import (
    BLACK,
    BLUE,
    GREY,
    VERMILLION,
    canvas,
    equation,
    styled,
    symbol,
    title,
)
from bayescannon.plots.windows import PAPER_OF_LABEL, axis, broken, strongest_wavelengths, window

BAND = 5.0
"""Half-width of the band around the continuum [sd]: one sd is thinner than a line."""


@styled
def draw_spectrum(
    model: Model,
    flux: np.ndarray,
    ivar: np.ndarray,
    labels: np.ndarray,
    centres: np.ndarray | None = None,
    *,
    sd: np.ndarray | None = None,
    width: float = 24.0,
    star_id: str = "",
    note: str = "",
    fig: Figure | None = None,
) -> Figure:
    """Draw one star's spectrum with the model at given labels, and residuals below.

    Parameters
    ----------
    model : Model
        With wavelengths.
    flux, ivar : (pixel,)
        Normalised flux and its inverse variance; ivar 0 = not measured.
    labels : (label,)
        Where the model is evaluated: the posterior mean, in label units.
    centres : (window,), optional
        Middles of the windows [Angstrom]; by default the strongest pixel of each label.
    sd : (pixel,), optional
        Half the width of the band around the model, as `Model.predict_sd` gives it; by default
        the intrinsic scatter.
    width : float
        Of each window [Angstrom].
    star_id, note : str
        For the title: which star, and what kind of data it is (`semi-synthetic`).
    fig : Figure, optional
        Empty part of a page to draw in.

    Returns
    -------
    Figure
        Two axes per window. Grey band: one standard deviation of the noise around the flux;
        red band: that of the model.
    """
    wavelength = axis(model)
    known = {at: symbol(name) for name, windows in PAPER_OF_LABEL.items() for at in windows}
    names = [known.get(float(at), "") for at in ([] if centres is None else centres)]
    if centres is None:
        centres = strongest_wavelengths(model)[:, 0]
        names = [f"strongest for {symbol(name)}" for name in model.labels]
    predicted = model.predict(labels)[0]
    good = (np.asarray(ivar) > 0) & np.isfinite(flux) & np.isfinite(predicted)
    seen = np.where(good, flux, np.nan)
    noise = 1 / np.sqrt(np.where(good, ivar, np.nan))
    band = model.scatter if sd is None else np.asarray(sd, float)
    curves = [seen, noise, predicted, np.where(model.usable, band, np.nan)]
    curves = [broken(wavelength, curve) for curve in curves]

    rows = -(-len(centres) // 2)
    fig = fig or canvas(12.0, 2.9 * rows + 1.0)
    grid = fig.add_gridspec(2 * rows, 2, height_ratios=[2.3, 1] * rows)
    for i, centre in enumerate(centres):
        row, column, span = 2 * (i // 2), slice(i % 2, i % 2 + 1), width
        if i % 2 == 0 and i + 1 == len(centres):  # the last one alone: twice as wide, same scale
            column, span = slice(0, 2), 2 * width
        top = fig.add_subplot(grid[row, column])
        low = fig.add_subplot(grid[row + 1, column], sharex=top)
        pixels = window(wavelength, float(centre), span)
        words = "intrinsic scatter, 1 sd" if sd is None else "model, 1 sd"
        _window(top, low, wavelength[pixels], *(curve[pixels] for curve in curves), words)
        top.set_title(rf"{names[i]} {centre:.1f} $\AA$".strip(), loc="left")
        top.set_xlim(centre - span / 2, centre + span / 2)
    handles, words = fig.axes[0].get_legend_handles_labels()
    fig.legend(handles, words, loc="outside lower center", ncols=4)
    title(fig, _heading(model, seen, noise, predicted, labels, star_id), note)
    return fig


def _window(top: Axes, low: Axes, x, flux, noise, predicted, scatter, words: str) -> None:
    ends = (flux - noise, flux + noise)
    top.fill_between(x, *ends, step="mid", color=GREY, alpha=0.4, lw=0, label="noise, 1 sd")
    top.step(x, flux, where="mid", color=BLACK, lw=1, label="observed")
    band = (predicted - scatter, predicted + scatter)
    top.fill_between(x, *band, color=VERMILLION, alpha=0.3, lw=0, label=words)
    top.plot(x, predicted, color=VERMILLION, label="model")
    top.set_ylabel("flux\n[continuum = 1]")
    top.tick_params(labelbottom=False)
    residual = (flux - predicted) / np.hypot(noise, scatter)
    low.axhspan(-1, 1, color=GREY, alpha=0.25, lw=0)
    low.step(x, residual, where="mid", color=BLACK, lw=0.9)
    low.axhline(0, color=VERMILLION, lw=0.9)
    largest = np.nanmax(np.abs(residual)) if np.isfinite(residual).any() else 0.0
    low.set_ylim(-max(4, 1.1 * largest), max(4, 1.1 * largest))
    low.set_ylabel(r"residual [$\sigma$]")
    low.set_xlabel(r"vacuum wavelength [$\AA$]")
    if not np.isfinite(flux).any():
        top.text(0.5, 0.5, "no good pixel here", transform=top.transAxes, ha="center")


def _heading(model: Model, seen, noise, predicted, labels, star_id: str) -> str:
    sigma2 = noise**2 + model.scatter**2
    chi2 = np.nansum((seen - predicted) ** 2 / sigma2)
    freedom = np.isfinite(seen).sum() - len(model.labels)
    at = map(equation, model.labels, labels)
    fit = rf"reduced $\chi^2$ = {chi2 / freedom:.2f}" if freedom > 0 else "no good pixel"
    return f"{star_id}  {fit}\n".lstrip() + ", ".join(at)


@styled
def draw_continuum(
    wavelength: np.ndarray,
    flux: np.ndarray,
    ivar: np.ndarray,
    continuum: np.ndarray,
    level: np.ndarray,
    error: np.ndarray,
    chip: np.ndarray,
    *,
    star_id: str = "",
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

    Returns
    -------
    Figure
        Two axes per detector.
    """
    good = (np.asarray(ivar) > 0) & np.isfinite(flux)
    seen = np.where(good, flux, np.nan)
    fig = canvas(12.0, 8.0)
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
    title(fig, f"{star_id}: continuum known to {share:.2f} % (median, 1 sd)")
    return fig
