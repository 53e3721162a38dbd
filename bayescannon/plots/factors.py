"""What the residual factors are: their strength along the spectrum beside elements' windows."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescannon.model import Model
from bayescannon.plots.style import BLACK, BLUE, GREEN, GREY, VERMILLION, canvas, styled, title
from bayescannon.plots.windows import axis, broken

MARKS = (VERMILLION, BLUE, GREEN)
"""Colours of the elements that are marked in a panel: at most that many, the nearest first."""
LEAST = 0.1
"""Smallest cosine that is marked. Chance alone gives a window of 20 pixels about 0.01 to 0.05."""


@styled
def draw_factors(
    model: Model, windows: Mapping[str, np.ndarray] | None = None, *, note: str = ""
) -> Figure:
    """Draw the residual factors of a model against wavelength, the strongest on top.

    Parameters
    ----------
    model : Model
        With wavelengths.
    windows : mapping, optional
        `wavelength` [Angstrom] and for each element a weight on these pixels, as
        `bayescannon.data.element_windows()` gives them. Each panel marks the windows of the
        elements, at most three, that the factor projects on most.
    note : str
        What kind of data the model was trained on (`semi-synthetic`).

    Returns
    -------
    Figure
        An axes per factor, or one that says that the model has none.

    Raises
    ------
    ValueError
        If the model's pixels are channels, not wavelengths.
    """
    wavelength = axis(model)
    n_factor = model.factors.shape[1]
    fig = canvas(11, 1.2 + 1.35 * max(n_factor, 1))
    axes = fig.subplots(max(n_factor, 1), 1, sharex=True, squeeze=False)[:, 0]
    axes[-1].set_xlabel(r"vacuum wavelength [$\AA$]")
    axes[-1].set_xlim(wavelength[0], wavelength[-1])
    if not n_factor:
        axes[0].text(0.5, 0.5, "no residual factor", transform=axes[0].transAxes, ha="center")
        axes[0].set_yticks([])
    factors = strongest_first(model)
    elements = element_weights(windows, wavelength) if windows else {}
    for i, ax in enumerate(axes[:n_factor]):
        _panel(ax, wavelength, np.where(model.usable, factors[:, i], np.nan), elements)
        strength = np.sqrt(np.sum(factors[:, i] ** 2))
        name = rf"factor {i + 1}, $\sqrt{{\Sigma F^2}}$ = {strength:.3f}"
        ax.set_title(name, fontsize=9, loc="left")
    fig.supylabel("|F| [flux, continuum = 1]", fontsize=10)
    words = "residual factors"
    if n_factor and elements:
        words += (
            "\nmarks: windows of the nearest elements; numbers: cosine of F with them "
            "(opposite signs: one up, one down)"
        )
    title(fig, f"{model.name}: {words}", note)
    return fig


def strongest_first(model: Model) -> np.ndarray:
    """Factors F (pixel, factor) by falling sum of squares; zero in pixels without a model."""
    factors = np.where(model.usable[:, None], model.factors, 0.0)
    return factors[:, np.argsort(-np.sum(factors**2, axis=0), kind="stable")]


def element_weights(
    windows: Mapping[str, np.ndarray], wavelength: np.ndarray
) -> dict[str, np.ndarray]:
    """Weights of elements on the pixels of a model.

    Parameters
    ----------
    windows : mapping
        As `draw` takes it; sensitivities and masks, whose names have an underscore, are left out.
    wavelength : (pixel,)
        [Angstrom].

    Returns
    -------
    dict
        Element -> weights (pixel,), zero outside the windows; none without a window here.
    """
    at = windows["wavelength"]
    names = [name for name in windows if name != "wavelength" and "_" not in name]
    weights = {n: np.interp(wavelength, at, windows[n], left=0.0, right=0.0) for n in names}
    return {name: weight for name, weight in weights.items() if weight.any()}


def projections(factor: np.ndarray, elements: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Cosine between one factor and the windows of each element, the largest first.

    Parameters
    ----------
    factor : (pixel,)
        NaN where there is no model.
    elements : mapping
        Element -> weights (pixel,).

    Returns
    -------
    dict
        Element -> cosine. A factor has no sign of its own: the largest cosine is positive.
    """
    factor = np.nan_to_num(factor)
    unit = factor / (np.linalg.norm(factor) or 1.0)
    found = {name: float(unit @ w / np.linalg.norm(w)) for name, w in elements.items()}
    order = sorted(found, key=lambda name: -abs(found[name]))
    sign = -1.0 if order and found[order[0]] < 0 else 1.0
    return {name: sign * found[name] for name in order}


def _panel(ax: Axes, wavelength, factor, elements: Mapping[str, np.ndarray]) -> None:
    values = np.abs(factor)
    ax.plot(wavelength, broken(wavelength, values), color=BLACK, lw=0.6)
    top = float(np.nanmax(values, initial=0.0)) or 1e-3
    ax.set_ylim(0, 1.5 * top)
    nearest = list(projections(factor, elements).items())[: len(MARKS)]
    nearest = [(name, cosine) for name, cosine in nearest if abs(cosine) >= LEAST]
    for row, (name, cosine) in enumerate(nearest):
        inside = wavelength[elements[name] > 0]
        level = np.full(inside.shape, (1.12 + 0.13 * row) * top)
        label = f"{name} {cosine:+.2f}"
        ax.plot(inside, level, "|", color=MARKS[row], ms=5, mew=0.7, label=label)
    ax.axhline(1.05 * top, color=GREY, lw=0.4)
    if nearest:
        where = {"loc": "lower right", "bbox_to_anchor": (1.0, 0.94)}
        ax.legend(**where, ncols=3, frameon=False, labelcolor="linecolor", handlelength=0.6)
