"""Ages of clump stars in the plane of abundances, and [Fe/H] along the disc (Fig. 8)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bayescannon.plots.style import COUNTS, VERMILLION, canvas, styled, title
from studies.paper.plots.age_maps import AGE_COLOURS, ERROR_COLOURS, Grid, draw_line, draw_map

FEH, AFE = "[Fe/H] [dex]", r"[$\alpha$/Fe] [dex]"


@styled
def draw(
    age: Grid,
    error: Grid,
    truth: Grid | None,
    along: dict[str, Grid],
    line: Sequence[tuple[float, float]],
    box: tuple[float, float, float, float],
    *,
    age_limits: tuple[float, float] = (1.0, 10.0),
    error_limit: float = 0.15,
    heading: str = "",
    note: str = "",
) -> Figure:
    """Draw median ages and density over ([Fe/H], [alpha/Fe]); [Fe/H] against R_GAL below.

    Parameters
    ----------
    age, error : Grid
        Median age [Gyr] and its uncertainty [dex]; `age.count` is the density.
    truth : Grid, optional
        True median ages, of simulated stars.
    along : dict of Grid
        Title -> numbers of stars over (R_GAL, [Fe/H]), two of them.
    line : sequence of (float, float)
        Points ([Fe/H], [alpha/Fe]) of the line between low- and high-alpha stars.
    box : (float, float, float, float)
        Lowest and highest [Fe/H], lowest and highest [alpha/Fe] of the mono-abundance bin.
    age_limits, error_limit : floats
        Ends of the colour scales.
    heading, note : str
        Title, and what kind of data it is (`semi-synthetic`).

    Returns
    -------
    Figure
        Six axes, five without a truth.
    """
    fig = canvas(13.0, 7.2)
    axes = fig.subplots(2, 3)
    shown = draw_map(axes[0, 0], age, age_limits, AGE_COLOURS)
    axes[0, 0].set_title("median age")
    fig.colorbar(shown, ax=axes[0, 0], label="median age [Gyr]")
    ax = axes[0, 1]
    density = _density(ax, age)
    fig.colorbar(density, ax=ax, label="stars per cell")
    ax.set_title(f"density, {age.count.sum()} stars")
    draw_line(ax, line, "low alpha below")
    corner = (box[0], box[2])
    size = (box[1] - box[0], box[3] - box[2])
    ax.add_patch(Rectangle(corner, *size, fill=False, ec=VERMILLION, lw=1.8, label="bin of Fig. 9"))
    ax.legend(loc="upper right")
    shown = draw_map(axes[0, 2], error, (0.0, error_limit), ERROR_COLOURS)
    axes[0, 2].set_title("uncertainty of the median")
    fig.colorbar(shown, ax=axes[0, 2], label="half 68 % interval [dex]", extend="max")
    for ax, (name, grid) in zip(axes[1], along.items(), strict=False):
        fig.colorbar(_density(ax, grid), ax=ax, label="stars per cell")
        ax.set(xlabel=r"$R_\mathrm{GAL}$ [kpc]", ylabel=FEH, title=name)
    if truth is None:
        axes[1, 2].set_axis_off()
    else:
        shown = draw_map(axes[1, 2], truth, age_limits, AGE_COLOURS)
        axes[1, 2].set_title("true median age")
        fig.colorbar(shown, ax=axes[1, 2], label="true median age [Gyr]")
    for ax in (*axes[0], *([axes[1, 2]] if truth is not None else [])):
        ax.set(xlabel=FEH, ylabel=AFE)
    title(fig, heading, note)
    return fig


def _density(ax, grid: Grid):
    most = max(float(grid.count.max()), 2.0)
    values = np.ma.masked_less(grid.count.astype(float), 0.5)
    return ax.pcolormesh(grid.x_edges, grid.y_edges, values.T, cmap=COUNTS, norm=LogNorm(1.0, most))
