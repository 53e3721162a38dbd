"""Estimate against input for each label, and the differences below (Fig. 1 of the paper)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from bayescannon.plots.differences import numbers
from bayescannon.plots.names import amount, axis_label
from bayescannon.plots.style import BLUE, COUNTS, GREY, VERMILLION, canvas, styled, title

COLUMNS = 3
HEXAGONS = 34


@styled
def draw(
    truth: np.ndarray,
    estimate: np.ndarray,
    names: Sequence[str],
    sd: np.ndarray | None = None,
    *,
    x_word: str = "input",
    y_word: str = "estimated",
    heading: str = "Estimated against input labels",
    note: str = "",
    fig: Figure | None = None,
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
    fig : Figure, optional
        Empty figure to draw in.

    Returns
    -------
    Figure
        Two axes per label, in rows of three labels; a colour bar of the counts; where a cell is
        free, an axes that explains the numbers.
    """
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    fig = canvas(fig, 3.5 * columns + 0.8, 5.0 * rows + 0.4)
    grid = fig.add_gridspec(2 * rows, columns, height_ratios=[3.0, 1.15] * rows)
    tops, drawn = [], []
    for i, name in enumerate(names):
        row, column = 2 * (i // columns), i % columns
        x, y = np.asarray(truth[:, i], float), np.asarray(estimate[:, i], float)
        found = numbers(x, y, None if sd is None else sd[:, i])
        good = np.isfinite(x) & np.isfinite(y)
        tops.append(fig.add_subplot(grid[row, column]))
        drawn.append(_panel(tops[-1], x[good], y[good], name, (x_word, y_word), found))
        _differences(fig.add_subplot(grid[row + 1, column]), (y - x)[good], name, found)
    most = max([2.0, *(d.get_array().max() for d in drawn if d is not None)])
    norm = LogNorm(1, most)
    drawn = [d for d in drawn if d is not None]
    for hexagons in drawn:
        hexagons.set_norm(norm)
    if drawn:
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
        lines[3:3] = ["z-width: standard deviation of", "difference / posterior sd; honest: 1"]
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
    low, high = low - margin, high + 2 * margin  # room above for the numbers
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
