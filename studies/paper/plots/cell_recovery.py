"""True median ages of the cells of a map beside what was inferred."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from bayescannon.plots.ages import log_age_axis
from bayescannon.plots.style import BLUE, GREY, VERMILLION, canvas, styled, title

AGE_TICKS, STAR_TICKS = (1, 1.5, 2, 3, 5, 8, 12), (20, 30, 50, 100, 200, 500, 1000, 2000)


@styled
def draw(
    truth: np.ndarray,
    median: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    stars: np.ndarray,
    *,
    heading: str = "Recovery of median ages of cells",
    note: str = "",
) -> Figure:
    """Draw inferred against true median ages of cells, and the misses against their stars.

    Parameters
    ----------
    truth, median, low, high : ndarray (cell,)
        True median, inferred one, and the ends of its 95 % interval [Gyr].
    stars : ndarray (cell,)
        How many stars a cell has.
    heading, note : str
        Title, and what kind of data it is (`semi-synthetic`).

    Returns
    -------
    Figure
        Two axes; cells whose interval misses the truth are red.
    """
    fig = canvas(11.0, 4.8)
    left, right = fig.subplots(1, 2)
    inside = (truth >= low) & (truth <= high)
    ends = np.array([0.9 * min(truth.min(), low.min()), 1.1 * max(truth.max(), high.max())])
    left.plot(ends, ends, color=GREY, ls="--", label="one to one")
    for here, colour, marker, word in (
        (inside, BLUE, "o", "inside the 95 % interval"),
        (~inside, VERMILLION, "s", "outside"),
    ):
        if not here.any():
            continue
        bars = [(median - low)[here], (high - median)[here]]
        label = f"{here.sum()} cells {word}"
        style = {"color": colour, "marker": marker, "ms": 3.5, "lw": 0.8}
        left.errorbar(truth[here], median[here], bars, ls="none", label=label, **style)
        off = np.log10(median / truth)[here]
        sides = np.log10([(median / low)[here], (high / median)[here]])
        right.errorbar(stars[here], off, sides, ls="none", **style)
    left.set(xlabel="true median age of the cell's stars [Gyr]", ylabel="inferred median age [Gyr]")
    log_age_axis(left, ends[0], ends[1], "xy")
    for axis in (left.xaxis, left.yaxis):
        axis.set_major_locator(FixedLocator(AGE_TICKS))
    left.legend(loc="upper left")
    right.axhline(0.0, color=GREY, ls="--")
    right.set(xscale="log", xlabel="stars in the cell", ylabel="inferred - true [dex]")
    right.xaxis.set_major_locator(FixedLocator(STAR_TICKS))
    right.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    right.xaxis.set_minor_formatter(NullFormatter())
    title(fig, heading, note)
    return fig
