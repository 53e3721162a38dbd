"""Estimated against true ages of stars whose truth is known."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from bayescannon.plots.differences import half_width
from bayescannon.plots.style import BLUE, GREY, VERMILLION, canvas, styled, title

OLDEST = 13.8
"""Upper edge of every age prior [Gyr]."""
TICKS = (0.2, 0.5, 1, 2, 5, 10)
MINOR = (*(i / 10 for i in range(1, 10)), *range(1, 14))
MANY_BARS = 250
MANY_POINTS = 3000


@styled
def draw(
    truth: np.ndarray,
    median: np.ndarray,
    q16: np.ndarray,
    q84: np.ndarray,
    *,
    heading: str = "Estimated against true ages",
    note: str = "",
    fig: Figure | None = None,
) -> Figure:
    """Draw estimated against true ages with 68 % bars, and both distributions.

    Parameters
    ----------
    truth, median, q16, q84 : (star,)
        True ages and quantiles of the posterior [Gyr]; stars with a NaN are left out.
    heading, note : str
        Title, and what kind of data it is (`semi-synthetic`).
    fig : Figure, optional
        Empty figure to draw in.

    Returns
    -------
    Figure
        Two axes. With many stars only every so-manieth one has its bar, and the legend says so.
    """
    stack = np.array([truth, median, q16, q84], float)
    known = np.isfinite(stack).all(axis=0) & (stack > 0).all(axis=0)
    true, middle, lower, upper = stack[:, known]
    fig = canvas(fig, 10.5, 5.2)
    left, right = fig.subplots(1, 2)
    left.set(xlabel="true age [Gyr]", ylabel="estimated age, median [Gyr]")
    right.set(xlabel="age [Gyr]", ylabel="stars")
    title(fig, heading, note)
    if not true.size:
        return fig
    low = 0.85 * np.percentile(np.concatenate([true, middle]), 0.2)
    left.plot([low, OLDEST], [low, OLDEST], color=VERMILLION, zorder=3, label="one to one")
    every = max(1, -(-true.size // MANY_BARS))
    shown = slice(None, None, every)
    bars = [middle[shown] - lower[shown], upper[shown] - middle[shown]]
    words = "68 % interval" if every == 1 else f"68 % interval of 1 star in {every}"
    left.errorbar(true[shown], middle[shown], bars, fmt="none", ecolor=GREY, lw=0.6, label=words)
    alpha = 0.7 if true.size < MANY_POINTS else 0.3
    left.plot(true, middle, ".", color=BLUE, ms=4, alpha=alpha, label=f"{true.size} stars")
    left.legend(loc="lower right")
    log_age_axis(left, low, 1.04 * OLDEST, "xy")
    left.text(0.03, 0.97, _words(true, middle, lower, upper), transform=left.transAxes, va="top")
    bins = np.linspace(0, np.ceil(OLDEST), 29)
    right.hist(true, bins, color=GREY, alpha=0.5, label="true ages")
    right.hist(middle, bins, histtype="step", color=BLUE, lw=1.6, label="medians of the posteriors")
    right.legend()
    right.set_xlim(0, bins[-1])
    return fig


def _words(true, middle, lower, upper) -> str:
    difference = np.log10(middle / true)
    inside = np.mean((true >= lower) & (true <= upper))
    return (
        f"bias {difference.mean():+.3f} dex\nrms {np.sqrt(np.mean(difference**2)):.3f} dex\n"
        f"robust {half_width(difference):.3f} dex\n68 % interval holds {100 * inside:.0f} %"
    )


def log_age_axis(ax: Axes, low: float, high: float = OLDEST, which: str = "x") -> None:
    """Make a logarithmic age axis from `low` to `high` [Gyr], ticks with plain numbers."""
    for name in which:
        axis = ax.xaxis if name == "x" else ax.yaxis
        getattr(ax, f"set_{name}scale")("log")
        getattr(ax, f"set_{name}lim")(low, high)
        axis.set_major_locator(FixedLocator(TICKS))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
        axis.set_minor_locator(FixedLocator(MINOR))
