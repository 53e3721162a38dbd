"""Maps of what the stars of each cell are like (Figs 8 to 10 of the paper)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bayescannon.plots.style import BLACK, CYCLE, GREY, canvas, styled, title

AGE_COLOURS, ERROR_COLOURS, SHARE_COLOURS = "viridis", "cividis_r", "plasma_r"
FEW = "#e4e4e4"
"""Fill of a cell with too few stars, which also bears a dot."""


class Grid(NamedTuple):
    """Cells between edges; `values` and `count` (x, y), NaN where there are too few stars."""

    x_edges: np.ndarray
    y_edges: np.ndarray
    values: np.ndarray
    count: np.ndarray


class Row(NamedTuple):
    """Maps of one quantity that share a colour bar: title of each -> map."""

    quantity: str
    maps: dict[str, Grid]
    limits: tuple[float, float]
    colours: str | LinearSegmentedColormap = AGE_COLOURS


class Histogram(NamedTuple):
    """Numbers of stars of several kinds along one axis: name -> (bin,)."""

    edges: np.ndarray
    numbers: dict[str, np.ndarray]
    xlabel: str
    heading: str


@styled
def draw(
    rows: Sequence[Row],
    histograms: Sequence[Histogram | None] = (),
    *,
    xlabel: str = r"$R_\mathrm{GAL}$ [kpc]",
    ylabel: str = r"$z$ [kpc]",
    heading: str = "",
    note: str = "",
) -> Figure:
    """Draw rows of maps, and beside a row how many stars of some kinds there are.

    Parameters
    ----------
    rows : sequence of Row
    histograms : sequence of Histogram or None
        At the end of each row.
    xlabel, ylabel : str
        Of the maps.
    heading, note : str
        Title, and what kind of data it is (`semi-synthetic`).

    Returns
    -------
    Figure
        Cells with too few stars are grey with a dot; empty ones are white.
    """
    n_map = max(len(row.maps) for row in rows)
    beside = any(h is not None for h in histograms)
    fig = canvas(3.4 * (n_map + beside) + 0.6, 2.75 * len(rows) + 0.5)
    axes = fig.subplots(len(rows), n_map + beside, squeeze=False)
    for i, row in enumerate(rows):
        for ax, (name, grid) in zip(axes[i], row.maps.items(), strict=False):
            colours = draw_map(ax, grid, row.limits, row.colours)
            ax.set_title(name)
        fig.colorbar(colours, ax=list(axes[i, : len(row.maps)]), label=row.quantity, pad=0.01)
        for ax in axes[i, len(row.maps) : n_map]:
            ax.set_axis_off()
        axes[i, 0].set_ylabel(ylabel)
    for ax in axes[-1, :n_map]:
        ax.set_xlabel(xlabel)
    for i in range(len(rows) if beside else 0):
        found = histograms[i] if i < len(histograms) else None
        if found is None:
            axes[i, -1].set_axis_off()
        else:
            draw_histogram(axes[i, -1], found)
    title(fig, heading, note)
    return fig


def draw_map(ax: Axes, grid: Grid, limits: tuple[float, float], colours=AGE_COLOURS):
    """Fill the cells of one map; give what a colour bar needs."""
    few = (grid.count > 0) & ~np.isfinite(grid.values)
    shade = np.ma.masked_where(~few, np.ones(few.shape))
    grey = LinearSegmentedColormap.from_list("few", [FEW, FEW])
    ax.pcolormesh(grid.x_edges, grid.y_edges, shade.T, cmap=grey)
    middle = [(edges[1:] + edges[:-1]) / 2 for edges in (grid.x_edges, grid.y_edges)]
    x, y = np.meshgrid(*middle, indexing="ij")
    ax.plot(x[few], y[few], ".", color=GREY, ms=2)
    values = np.ma.masked_invalid(grid.values)
    return ax.pcolormesh(
        grid.x_edges, grid.y_edges, values.T, cmap=colours, norm=Normalize(*limits)
    )


def draw_line(ax: Axes, points: Sequence[tuple[float, float]], text: str) -> Line2D:
    """Draw a dashed broken line on a map."""
    (line,) = ax.plot(*np.array(points).T, color=BLACK, ls="--", lw=1.4, label=text)
    return line


def draw_histogram(ax: Axes, found: Histogram) -> None:
    """Draw shares of each kind, so that few and many stars compare."""
    width = np.diff(found.edges)
    styles = ("-", "--", "-.", ":")
    for i, (name, number) in enumerate(found.numbers.items()):
        total = max(number.sum(), 1e-12)
        label = f"{name}: {number.sum():,.0f}".replace(",", "\u2009")
        share = number / total / width
        ax.stairs(share, found.edges, color=CYCLE[i], ls=styles[i % 4], lw=1.6, label=label)
    ax.set(xlabel=found.xlabel, ylabel="share of its stars [1/kpc]", title=found.heading)
    ax.set_ylim(0, 1.45 * ax.get_ylim()[1])
    ax.legend(loc="upper left", frameon=False)
