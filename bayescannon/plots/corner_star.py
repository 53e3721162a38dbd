"""Corner plot of the draws of one star."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bayescannon.plots.names import axis_label
from bayescannon.plots.style import BLUE, ORANGE, VERMILLION, styled, title

LEVELS = (0.68, 0.95)
"""Share of the sample within each contour."""


@styled
def draw(
    draws: np.ndarray,
    names: Sequence[str],
    best: np.ndarray | None = None,
    truth: np.ndarray | None = None,
    *,
    star_id: str = "",
    note: str = "",
    fig: Figure | None = None,
) -> Figure:
    """Draw all pairs of labels of one star.

    Parameters
    ----------
    draws : (draw, label)
        Posterior draws in label units; draws with a NaN are left out.
    names : sequence of str (label,)
    best : (label,), optional
        The posterior's maximum (MAP).
    truth : (label,), optional
        True labels; NaN where not known.
    star_id, note : str
        For the title: which star, and what kind of data it is (`semi-synthetic`).
    fig : Figure, optional
        Empty figure to draw in, without a layout engine.

    Returns
    -------
    Figure
        label x label axes, those above the diagonal empty. A star without draws gives a figure
        that says so, with one axes.
    """
    draws = np.asarray(draws, float)
    draws = draws[np.isfinite(draws).all(axis=1)]
    size = 1.75 * len(names) + 0.9
    fig = Figure(figsize=(size, size)) if fig is None else fig
    heading = f"{star_id}: {len(draws)} draws" if star_id else f"{len(draws)} draws"
    if len(draws) <= len(names):
        fig.subplots().set_axis_off()
        fig.axes[0].text(0.5, 0.5, "no posterior", ha="center", va="center")
    else:
        marks = [
            ("MAP", best, ORANGE, "s"),
            ("truth", truth, VERMILLION, "o"),
        ]
        _corner(fig, draws, names, [m for m in marks if m[1] is not None])
    title(fig, heading, note)
    return fig


def pairs(fig: Figure, values: np.ndarray, names: Sequence[str], ranges=None, **kwargs) -> None:
    """Fill `fig` with a corner plot in our style: values (sample, label)."""
    from corner import corner  # takes pyplot along, which most callers do not need

    corner(
        values,
        fig=fig,
        range=ranges,
        labels=[axis_label(name) for name in names],
        color=BLUE,
        max_n_ticks=4,
        labelpad=0.06,
        bins=24,
        levels=LEVELS,
        **kwargs,
    )
    for ax in fig.axes:
        ax.tick_params(labelsize=8)
    width, height = fig.get_size_inches()
    edges = {"left": 0.95 / width, "bottom": 0.95 / height}
    fig.subplots_adjust(**edges, right=1 - 0.15 / width, top=1 - 0.45 / height)


def _corner(fig: Figure, draws: np.ndarray, names: Sequence[str], marks: list) -> None:
    ranges = []
    for i, column in enumerate(draws.T):
        # a truth far outside the draws must stay in the picture: that is the news
        shown = [m[1][i] for m in marks if np.isfinite(m[1][i])]
        low, high = np.min([*column, *shown]), np.max([*column, *shown])
        margin = 0.08 * (high - low) or 1.0
        ranges.append((low - margin, high + margin))
    pairs(fig, draws, names, ranges, smooth=1.0, quantiles=[0.16, 0.84], plot_datapoints=True)
    n = len(names)
    axes = np.array(fig.axes).reshape(n, n)
    for _, values, colour, marker in marks:
        for i in range(n):
            axes[i, i].axvline(values[i], color=colour, lw=1.5)
            for j in range(i):
                axes[i, j].plot(values[j], values[i], marker, color=colour, ms=6, mec="white")
    handles = [Line2D([], [], marker=m[3], color=m[2], lw=0, label=m[0]) for m in marks]
    handles.append(Line2D([], [], color=BLUE, ls="dashed", label="16 and 84 %"))
    handles.append(Line2D([], [], color=BLUE, label="68 and 95 % of the draws"))
    fig.legend(
        handles=handles, loc="upper right", bbox_to_anchor=(0.95, 0.93), fontsize=11 if n > 3 else 7
    )
