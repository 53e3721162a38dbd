"""The strongest pixel of a label and its surroundings in the model (Figs 3 to 6 of the paper)."""

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescannon.model import Model
from bayescannon.plots.names import number, symbol, unit
from bayescannon.plots.style import BLACK, CYCLE, GREY, VERMILLION, canvas, styled, title
from bayescannon.plots.windows import axis, broken, first_order, strongest_wavelengths, window

MOLECULES = ("CN", "CO", "OH")
SHARES = (0.1, 0.5, 0.9)
"""Where in the training range the three generated spectra lie."""


@styled
def draw(
    model: Model,
    label: str,
    lines: Table | None = None,
    *,
    centre: float | None = None,
    width: float = 30.0,
    values: tuple[float, ...] | None = None,
    note: str = "",
    fig: Figure | None = None,
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
    fig : Figure, optional
        Empty figure to draw in.

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
    fig = canvas(fig, 9.5, 8.2)
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
    """Draw the zeroth-order coefficient in some pixels; above it room for `most` names of lines."""
    constant = np.where(model.usable, model.coefficients[:, 0], np.nan)
    x, y = wavelength[pixels], broken(wavelength, constant)[pixels]
    ax.plot(x, y, color=BLACK)
    ax.set_ylabel("zeroth-order\ncoefficient [flux]")
    if lines is None or not np.isfinite(y).any():
        return
    low, high = np.nanmin(y), max(np.nanmax(y), 1.0)
    room = high - low
    at = np.asarray(lines["wavelength"], float)
    margin = 0.01 * (x[-1] - x[0])  # a name must not hang over the edge
    inside = (at > x[0] + margin) & (at < x[-1] - margin)
    at, species = at[inside], np.asarray(lines["species"], str)[inside]
    ax.set_title("identified lines, molecules in red", fontsize=9, loc="left")
    ax.vlines(at, high + 0.06 * room, high + 0.12 * room, color=GREY, lw=0.8)
    for line in _deepest(at, x, y, apart=(x[-1] - x[0]) / most):
        colour = VERMILLION if species[line] in MOLECULES else BLACK
        ax.text(
            at[line],
            high + 0.16 * room,
            species[line].replace("H_{Brackett-", "H Br").rstrip("}"),
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=8,
            color=colour,
            bbox={"fc": "white", "ec": "none", "pad": 0.3},
        )
    ax.set_ylim(low - 0.06 * room, high + 0.5 * room)


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
        text = f"{symbol(name)} = {number(name, values[i])} {unit(name).split(',')[0]}".strip()
        y = broken(wavelength, flux)[pixels]
        ax.plot(wavelength[pixels], y, color=CYCLE[i % 7], label=text)
    low, high = ax.get_ylim()
    ax.set_ylim(low - 0.22 * (high - low), high)  # room for both legends
    ax.set_ylabel("generated flux\n[continuum = 1]")
    ax.legend(ncols=len(values), loc="lower left")
    others = [
        f"{symbol(n)} = {number(n, p)}"
        for n, p in zip(model.labels, model.scaling.pivot, strict=True)
        if n != name
    ]
    ax.set_title("other labels at their pivots: " + ", ".join(others), fontsize=9, loc="left")
