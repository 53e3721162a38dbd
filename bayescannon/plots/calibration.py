"""Calibration: PIT histograms and coverage curves."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescannon.calibration import binomial_error, coverage
from bayescannon.plots.style import BLUE, GREY, VERMILLION, canvas, styled, symbol, title

BINS = 20
TWO_SIGMA = 1.96


@styled
def draw_pit(
    pit: np.ndarray,
    names: Sequence[str],
    *,
    heading: str = "Calibration of the posteriors",
    note: str = "",
) -> Figure:
    """Draw for each label the histogram of PIT values and, below, the coverage curve.

    Parameters
    ----------
    pit : (star, label)
        Probability integral transform of the truth, see `bayescannon.calibration.pit_of_draws`;
        NaN is left out.
    names : sequence of str (label,)
    heading, note : str
        Title, and what kind of data it is (`semi-synthetic`).

    Returns
    -------
    Figure
        Two axes per label. Grey bands hold 95 % of the values that calibrated posteriors give.
    """
    fig = canvas(2.7 * len(names) + 0.6, 5.6)
    axes = fig.subplots(2, len(names), squeeze=False)
    for i, name in enumerate(names):
        values = np.asarray(pit[:, i], float)
        values = values[np.isfinite(values)]
        _histogram(axes[0, i], values, name)
        _curve(axes[1, i], values)
    axes[0, 0].set_ylabel("density (calibrated: 1)")
    axes[1, 0].set_ylabel("share of true values inside")
    title(fig, heading, note)
    return fig


def _histogram(ax: Axes, pit: np.ndarray, name: str) -> None:
    ax.set_title(f"{symbol(name)}, {pit.size} stars")
    ax.set_xlabel("PIT (rank of the truth)")
    ax.set_xlim(0, 1)
    if not pit.size:
        return
    ax.hist(pit, bins=BINS, range=(0, 1), density=True, color=BLUE, alpha=0.8)
    width = TWO_SIGMA * BINS * binomial_error(1 / BINS, pit.size)  # as density
    ax.axhspan(max(1 - width, 0), 1 + width, color=GREY, alpha=0.35, lw=0)
    ax.axhline(1, color=GREY, lw=1)
    ax.set_ylim(0, max(ax.get_ylim()[1], 2))


def _curve(ax: Axes, pit: np.ndarray) -> None:
    nominal = np.linspace(0, 1, 101)
    ax.set_xlabel("probability of the interval")
    ax.set(xlim=(0, 1), ylim=(0, 1))
    if not pit.size:
        return
    width = TWO_SIGMA * binomial_error(nominal, pit.size)
    ax.fill_between(nominal, nominal - width, nominal + width, color=GREY, alpha=0.35, lw=0)
    ax.plot(nominal, nominal, color=GREY, lw=1)
    ax.plot(nominal, coverage(pit, nominal), color=VERMILLION, lw=2)
    held = coverage(pit, np.array([0.68, 0.95]))
    text = f"68 % interval\nholds {100 * held[0]:.0f} %\n95 % interval\nholds {100 * held[1]:.0f} %"
    # an overconfident curve runs below the diagonal and leaves the upper left free
    ax.text(0.05, 0.95, text, transform=ax.transAxes, va="top", fontsize=9)
