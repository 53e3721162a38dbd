"""Labels: estimated against known ones, the posterior of one star, the training set."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bayescannon.calibration.point import numbers
from bayescannon.plots.style import (
    BLUE,
    COUNTS,
    GREY,
    ORANGE,
    VERMILLION,
    amount,
    axis_label,
    canvas,
    styled,
    title,
)

COLUMNS, HEXAGONS = 3, 34
LEVELS = (0.68, 0.95)
"""Share of the sample within each contour of a corner plot."""


@styled
def draw_one_to_one(
    truth: np.ndarray,
    estimate: np.ndarray,
    names: Sequence[str],
    sd: np.ndarray | None = None,
    *,
    x_word: str = "input",
    y_word: str = "estimated",
    heading: str = "Estimated against input labels",
    note: str = "",
) -> Figure:
    """Draw one panel per label, and the histogram of its differences below.

    Parameters
    ----------
    truth, estimate : (star, label)
        In label units; a NaN leaves a star out of that label's panels.
    names : sequence of str (label,)
    sd : (star, label), optional
        Posterior standard deviations, for the z-width.
    x_word, y_word : str
        What the axes show: `catalogue` and `cross-validated`, say.
    heading, note : str
        Title, and what kind of data it is (`semi-synthetic`).

    Returns
    -------
    Figure
        Two axes per label, in rows of three labels; a colour bar of the counts; where a cell is
        free, an axes that explains the numbers.
    """
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    fig = canvas(3.5 * columns + 0.8, 5.0 * rows + 0.4)
    grid = fig.add_gridspec(2 * rows, columns, height_ratios=[3.0, 1.15] * rows)
    drawn = []
    for i, name in enumerate(names):
        row, column = 2 * (i // columns), i % columns
        x, y = np.asarray(truth[:, i], float), np.asarray(estimate[:, i], float)
        found = numbers(x, y, None if sd is None else sd[:, i])
        good = np.isfinite(x) & np.isfinite(y)
        top = fig.add_subplot(grid[row, column])
        drawn.append(_panel(top, x[good], y[good], name, (x_word, y_word), found))
        _differences(fig.add_subplot(grid[row + 1, column]), (y - x)[good], name, found)
    drawn = [hexagons for hexagons in drawn if hexagons is not None]
    if drawn:
        norm = LogNorm(1, max(2.0, *(hexagons.get_array().max() for hexagons in drawn)))
        for hexagons in drawn:
            hexagons.set_norm(norm)
        fig.colorbar(drawn[0], ax=fig.axes, label="stars per hexagon", shrink=0.5, aspect=35)
    if len(names) < rows * columns:
        _explain(fig.add_subplot(grid[-2, -1]), sd is not None)
    title(fig, heading, note)
    return fig


def _explain(ax: Axes, with_z: bool) -> None:
    """Say in the free cell what the numbers mean."""
    lines = [
        "bias: mean of the differences",
        "rms: root mean square of the differences",
        "robust: half the central 68 % of them",
        "Histograms: the outermost bins",
        "hold all that lies beyond.",
        "Lines: one to one; mean difference.",
    ]
    if with_z:
        lines[3:3] = ["z-width: standard deviation of", "difference / posterior sd; calibrated: 1"]
    ax.set_axis_off()
    ax.text(0, 1, "\n".join(lines), transform=ax.transAxes, va="top", fontsize=9, linespacing=1.6)


def _panel(ax: Axes, x: np.ndarray, y: np.ndarray, name: str, words, found: dict):
    ax.set_xlabel(axis_label(name, words[0]))
    ax.set_ylabel(axis_label(name, words[1]))
    lines = [f"{found['n']} stars", f"bias {amount(name, found['bias'], True)}"]
    lines += [f"rms {amount(name, found['rms'])}", f"robust {amount(name, found['robust'])}"]
    if "z" in found:
        lines.append(f"z-width {found['z']:.2f}")
    ax.text(0.04, 0.96, "\n".join(lines), transform=ax.transAxes, va="top", fontsize=8.5)
    if not x.size:
        return None
    # limits from the inputs: one failed star must not squeeze all others into a corner
    low, high = x.min(), x.max()
    margin = 0.1 * (high - low) or 1.0
    low, high = low - margin, high + 2 * margin  # space for the numbers
    beyond = int(((y < low) | (y > high)).sum())
    if beyond:
        ax.text(0.96, 0.04, f"{beyond} outside", transform=ax.transAxes, ha="right", fontsize=8.5)
    hexagons = ax.hexbin(
        x, y, gridsize=HEXAGONS, extent=(low, high, low, high), mincnt=1, cmap=COUNTS, lw=0.1
    )
    ax.plot([low, high], [low, high], color=VERMILLION, lw=1)
    ax.set(xlim=(low, high), ylim=(low, high))
    ax.locator_params(nbins=5)
    ax.set_xticks(ax.get_yticks())  # the same on both axes
    ax.set(xlim=(low, high), ylim=(low, high))
    return hexagons


def _differences(ax: Axes, difference: np.ndarray, name: str, found: dict) -> None:
    ax.set_xlabel(axis_label(name, r"$\Delta$"))
    ax.set_ylabel("stars")
    if not difference.size:
        return
    reach = max(4 * found["robust"], 1e-12)
    inside = np.clip(difference, -reach, reach)  # the outermost bins hold what lies beyond
    ax.hist(inside, bins=41, range=(-reach, reach), color=BLUE, alpha=0.8)
    ax.axvline(0, color=GREY, lw=0.8)
    ax.axvline(found["bias"], color=VERMILLION, lw=1.2)
    ax.set_xlim(-reach, reach)
    ax.locator_params(axis="x", nbins=5)


@styled
def draw_corner(
    draws: np.ndarray,
    names: Sequence[str],
    best: np.ndarray | None = None,
    truth: np.ndarray | None = None,
    *,
    star_id: str = "",
    note: str = "",
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

    Returns
    -------
    Figure
        label x label axes, those above the diagonal empty. A star without draws gives a figure
        that says so, with one axes.
    """
    draws = np.asarray(draws, float)
    draws = draws[np.isfinite(draws).all(axis=1)]
    fig = _corner_figure(names)
    heading = f"{star_id}: {len(draws)} draws" if star_id else f"{len(draws)} draws"
    if len(draws) <= len(names):
        fig.subplots().set_axis_off()
        fig.axes[0].text(0.5, 0.5, "no posterior", ha="center", va="center")
    else:
        marks = [("MAP", best, ORANGE, "s"), ("truth", truth, VERMILLION, "o")]
        _corner(fig, draws, names, [m for m in marks if m[1] is not None])
    title(fig, heading, note)
    return fig


def _corner_figure(names: Sequence[str]) -> Figure:
    """Square figure for all pairs; `corner` lays it out itself."""
    size = 1.75 * len(names) + 0.9
    return Figure(figsize=(size, size))


def _pairs(fig: Figure, values: np.ndarray, names: Sequence[str], ranges=None, **kwargs) -> None:
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
        # a truth far outside the draws must stay in the picture
        shown = [m[1][i] for m in marks if np.isfinite(m[1][i])]
        low, high = np.min([*column, *shown]), np.max([*column, *shown])
        margin = 0.08 * (high - low) or 1.0
        ranges.append((low - margin, high + margin))
    _pairs(fig, draws, names, ranges, smooth=1.0, quantiles=[0.16, 0.84], plot_datapoints=True)
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


@styled
def draw_training_labels(labels: np.ndarray, names: Sequence[str], *, note: str = "") -> Figure:
    """Draw all pairs of training labels.

    Parameters
    ----------
    labels : (star, label)
        In label units; stars with a NaN are left out and counted.
    names : sequence of str (label,)
    note : str
        What kind of data it is (`semi-synthetic`).

    Returns
    -------
    Figure
        label x label axes, those above the diagonal empty.
    """
    labels = np.asarray(labels, float)
    good = labels[np.isfinite(labels).all(axis=1)]
    fig = _corner_figure(names)
    lost = len(labels) - len(good)
    text = f"Training labels: {len(good)} stars"
    text += f", {lost} without all labels left out" if lost else ""
    low, high = good.min(axis=0), good.max(axis=0)
    margin = 0.04 * np.where(high > low, high - low, 1.0)
    ranges = list(zip(low - margin, high + margin, strict=True))
    points = {"alpha": 0.35, "ms": 2.5}
    style = {"plot_density": False, "no_fill_contours": True, "data_kwargs": points, "smooth": 1.0}
    _pairs(fig, good, names, ranges, **style)
    fig.text(0.95, 0.9, "contours: 68 and 95 % of the stars", ha="right")
    title(fig, text, note)
    return fig
