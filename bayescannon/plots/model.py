"""A model: its coefficients around a label's strongest pixel, and its intrinsic scatter."""

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescannon.model import Model
from bayescannon.plots.style import (
    BLACK,
    BLUE,
    CYCLE,
    GREY,
    VERMILLION,
    canvas,
    equation,
    number,
    styled,
    symbol,
    title,
)
from bayescannon.plots.windows import axis, broken, first_order, strongest_wavelengths, window

MOLECULES = ("CN", "CO", "OH")
SHARES = (0.1, 0.5, 0.9)
"""Where in the training range the three generated spectra lie."""


@styled
def draw_coefficients(
    model: Model,
    label: str,
    lines: Table | None = None,
    *,
    centre: float | None = None,
    width: float = 30.0,
    values: tuple[float, ...] | None = None,
    note: str = "",
) -> Figure:
    """Draw coefficients and generated spectra around the strongest pixel of a label.

    Parameters
    ----------
    model : Model
        With wavelengths.
    label : str
        One of its labels.
    lines : Table, optional
        `wavelength` [Angstrom] and `species` of identified lines (`bayescannon.data.lines()`).
    centre : float, optional
        Middle of the window [Angstrom]; by default the strongest pixel is found.
    width : float
        Of the window [Angstrom].
    values : tuple of float, optional
        Values of the label, in its units, for which spectra are generated, the other labels at
        their pivots; by default 10, 50 and 90 % of the training range.
    note : str
        What kind of data the model was trained on (`semi-synthetic`).

    Returns
    -------
    Figure
        Three axes: zeroth-order coefficient, first-order coefficients, generated spectra.
    """
    place = model.labels.index(label)
    wavelength = axis(model)
    found = float(strongest_wavelengths(model)[place, 0])
    centre = found if centre is None else centre
    if values is None:
        low, high = model.label_range[:, place]
        values = tuple(low + share * (high - low) for share in SHARES)
    fig = canvas(9.5, 8.2)
    axes = fig.subplots(3, 1, sharex=True, height_ratios=[1.25, 1, 1])
    pixels = window(wavelength, centre, width)
    zeroth_order(axes[0], model, wavelength, pixels, lines)
    first_orders(axes[1], model, wavelength, pixels, label)
    generated(axes[2], model, wavelength, pixels, place, values)
    for ax in axes:
        ax.axvline(found, color=GREY, ls="dotted", lw=1.2, zorder=0)
    axes[2].set_xlabel(r"vacuum wavelength [$\AA$]")
    axes[2].set_xlim(centre - width / 2, centre + width / 2)
    strong = rf"strongest pixel of {symbol(label)} at {found:.1f} $\AA$, dotted"
    title(fig, f"{model.name}: {strong}", note)
    return fig


def zeroth_order(
    ax: Axes, model: Model, wavelength, pixels: slice, lines: Table | None, most: int = 70
) -> None:
    """Draw the zeroth-order coefficient in some pixels, under the names of `most` lines at most."""
    constant = np.where(model.usable, model.coefficients[:, 0], np.nan)
    x, y = wavelength[pixels], broken(wavelength, constant)[pixels]
    ax.plot(x, y, color=BLACK)
    ax.set_ylabel("zeroth-order\ncoefficient [flux]")
    if lines is None or not np.isfinite(y).any():
        return
    low, high = np.nanmin(y), max(np.nanmax(y), 1.0)
    height = high - low
    at = np.asarray(lines["wavelength"], float)
    margin = 0.01 * (x[-1] - x[0])  # a name must not hang over the edge
    inside = (at > x[0] + margin) & (at < x[-1] - margin)
    at, species = at[inside], np.asarray(lines["species"], str)[inside]
    ax.set_title("identified lines, molecules in red", fontsize=9, loc="left")
    ax.vlines(at, high + 0.06 * height, high + 0.12 * height, color=GREY, lw=0.8)
    for line in _deepest(at, x, y, apart=(x[-1] - x[0]) / most):
        colour = VERMILLION if species[line] in MOLECULES else BLACK
        ax.text(
            at[line],
            high + 0.16 * height,
            species[line].replace("H_{Brackett-", "H Br").rstrip("}"),
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=8,
            color=colour,
            bbox={"fc": "white", "ec": "none", "pad": 0.3},
        )
    ax.set_ylim(low - 0.06 * height, high + 0.5 * height)


def _deepest(at: np.ndarray, x: np.ndarray, y: np.ndarray, apart: float) -> list[int]:
    """Choose which lines to name: the deepest first, none nearer than `apart` to another."""
    flux = np.nan_to_num(np.interp(at, x, y), nan=1.0)
    chosen: list[int] = []
    for line in np.argsort(flux, kind="stable"):
        if all(abs(at[line] - at[other]) >= apart for other in chosen):
            chosen.append(int(line))
    return chosen


def first_orders(ax: Axes, model: Model, wavelength, pixels: slice, label: str) -> None:
    """Draw each first-order coefficient over its largest absolute value, one label in bold."""
    linear = first_order(model)
    largest = np.nanmax(np.abs(linear), axis=0)
    for i, name in enumerate(model.labels):
        y = broken(wavelength, linear[:, i] / (largest[i] or 1.0))[pixels]
        strong = name == label
        ax.plot(
            wavelength[pixels],
            y,
            color=CYCLE[i % 7],
            label=symbol(name),
            lw=2.2 if strong else 1.0,
            zorder=3 if strong else 2,
        )
    ax.axhline(0, color=GREY, lw=0.6)
    ax.set_ylim(-1.1, 1.45)
    ax.set_ylabel("first-order coefficient\n/ its largest [no unit]")
    ax.legend(ncols=len(model.labels), loc="upper left")


def generated(ax: Axes, model: Model, wavelength, pixels: slice, place: int, values) -> None:
    """Draw the flux at some values of one label, the other labels at their pivots."""
    labels = np.tile(np.asarray(model.scaling.pivot, float), (len(values), 1))
    labels[:, place] = values
    name = model.labels[place]
    for i, flux in enumerate(model.predict(labels)):
        y = broken(wavelength, flux)[pixels]
        ax.plot(wavelength[pixels], y, color=CYCLE[i % 7], label=equation(name, values[i]))
    low, high = ax.get_ylim()
    ax.set_ylim(low - 0.22 * (high - low), high)  # space for both legends
    ax.set_ylabel("generated flux\n[continuum = 1]")
    ax.legend(ncols=len(values), loc="lower left")
    others = [
        f"{symbol(n)} = {number(n, p)}"
        for n, p in zip(model.labels, model.scaling.pivot, strict=True)
        if n != name
    ]
    ax.set_title("other labels at their pivots: " + ", ".join(others), fontsize=9, loc="left")


@styled
def draw_scatter(
    wavelength: np.ndarray, scatter: np.ndarray, usable: np.ndarray | None = None, *, note: str = ""
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
    note : str
        What kind of data it is (`semi-synthetic`).

    Returns
    -------
    Figure
        Two axes. Pixels with no scatter at all stand in the lowest bin, and are counted.
    """
    values = np.asarray(scatter, float)
    if usable is not None:
        values = np.where(usable, values, np.nan)
    fig = canvas(11, 3.8)
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
    title(fig, "Intrinsic scatter of the model", note)
    return fig
