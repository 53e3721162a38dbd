"""Windows around the strongest pixels, side by side, as in Figs 3 to 6 of the paper."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescannon.model import Model
from bayescannon.plots.factors import element_weights
from bayescannon.plots.model import first_orders, generated, zeroth_order
from bayescannon.plots.style import BLUE, GREY, PURPLE, canvas, styled, symbol, title
from bayescannon.plots.windows import axis, window


class Window(NamedTuple):
    """What a column of the figure shows."""

    label: str
    found: float
    """Wavelength of the strongest pixel [Angstrom]."""
    paper: float | None
    """Middle of the paper's window [Angstrom]; None where it is not near."""
    values: tuple[float, ...]
    """Of the label, for which spectra are generated."""


@styled
def draw(
    model: Model,
    windows: Sequence[Window],
    lines: Table,
    elements: Mapping[str, np.ndarray],
    *,
    width: float = 30.0,
    note: str = "",
) -> Figure:
    """Draw a column of panels for each window.

    Parameters
    ----------
    model : Model
        With wavelengths; the other labels of generated spectra are its pivots.
    windows : sequence of Window
        One column each.
    lines : Table
        `wavelength` [Angstrom] and `species` of identified lines.
    elements : mapping
        `wavelength` and windows of elements, as `bayescannon.data.element_windows()`.
    width : float
        Of each window [Angstrom].
    note : str
        What kind of data the model was trained on.

    Returns
    -------
    Figure
        Four axes per window: zeroth-order coefficient with line marks, windows of elements,
        first-order coefficients, generated spectra. Dotted: the strongest pixel; dashed: the
        middle of the paper's window.
    """
    wavelength = axis(model)
    weights = element_weights(elements, wavelength)
    fig = canvas(7.2 * len(windows), 9.6)
    axes = fig.subplots(
        4, len(windows), sharex="col", squeeze=False, height_ratios=[1.3, 0.62, 1, 1]
    )
    for column, shown in zip(axes.T, windows, strict=True):
        pixels = window(wavelength, shown.found, width)
        zeroth_order(column[0], model, wavelength, pixels, lines, most=42)
        _elements(column[1], wavelength[pixels], {n: w[pixels] for n, w in weights.items()})
        first_orders(column[2], model, wavelength, pixels, shown.label)
        place = model.labels.index(shown.label)
        generated(column[3], model, wavelength, pixels, place, shown.values)
        for ax in column:
            ax.axvline(shown.found, color=GREY, ls="dotted", lw=1.3, zorder=0)
            if shown.paper is not None:
                ax.axvline(shown.paper, color=PURPLE, ls="dashed", lw=1.3, zorder=0)
        column[3].set_xlabel(r"vacuum wavelength [$\AA$]")
        column[3].set_xlim(shown.found - width / 2, shown.found + width / 2)
        words = rf"{symbol(shown.label)}: found {shown.found:.1f} $\AA$ (dotted)"
        if shown.paper is not None:
            words += rf", paper {shown.paper:.0f} $\AA$ (dashed)"
        above = column[0].get_title("left")
        column[0].set_title(f"{words}\n{above}", fontsize=9, loc="left")
    title(fig, f"{model.name}: strongest first-order coefficients", note)
    return fig


def _elements(ax: Axes, x: np.ndarray, weights: Mapping[str, np.ndarray]) -> None:
    """Draw a row for each element that has a window here, darker where it weighs more."""
    here = {name: weight for name, weight in weights.items() if (weight > 0).any()}
    ax.set_title("ASPCAP DR12 windows of elements, darker: more weight", fontsize=9, loc="left")
    for row, weight in enumerate(here.values()):
        inside = weight > 0
        shade = np.clip(0.25 + 0.75 * weight[inside] / weight.max(), 0, 1)
        ax.scatter(
            x[inside], np.full(inside.sum(), row), c=BLUE, alpha=shade, marker="s", s=9, lw=0
        )
    ax.set_yticks(range(len(here)), list(here), fontsize=7.5)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(here) - 0.4, -0.6)
    ax.set_ylabel("element")
