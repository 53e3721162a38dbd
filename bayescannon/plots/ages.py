"""Ages: posteriors of a handful of stars, and estimated against true ages."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from bayescannon.calibration.point import half_width
from bayescannon.plots.style import BLACK, BLUE, CYCLE, GREY, VERMILLION, canvas, styled, title

OLDEST = 13.8
"""Upper edge of every age prior [Gyr]."""
TICKS = (0.2, 0.5, 1, 2, 5, 10)
MINOR = (*(i / 10 for i in range(1, 10)), *range(1, 14))
MANY_BARS = 250
MANY_POINTS = 3000


@styled
def draw_age_recovery(
    truth: np.ndarray, median: np.ndarray, q16: np.ndarray, q84: np.ndarray, *, note: str = ""
) -> Figure:
    """Draw estimated against true ages with 68 % bars, and both distributions.

    Parameters
    ----------
    truth, median, q16, q84 : (star,)
        True ages and quantiles of the posterior [Gyr]; stars with a NaN are left out.
    note : str
        What kind of data it is (`semi-synthetic`).

    Returns
    -------
    Figure
        Two axes. With many stars only a few of them have bars, and the legend says so.
    """
    stack = np.array([truth, median, q16, q84], float)
    known = np.isfinite(stack).all(axis=0) & (stack > 0).all(axis=0)
    true, middle, lower, upper = stack[:, known]
    fig = canvas(10.5, 5.2)
    left, right = fig.subplots(1, 2)
    left.set(xlabel="true age [Gyr]", ylabel="estimated age, median [Gyr]")
    right.set(xlabel="age [Gyr]", ylabel="stars")
    title(fig, "Estimated against true ages", note)
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


@styled
def draw_age_posteriors(
    draws: np.ndarray, star_id: Sequence[str], truth: np.ndarray | None = None, *, note: str = ""
) -> Figure:
    """Draw the age posterior of each of a few stars, one above the other.

    Parameters
    ----------
    draws : (draw, star)
        Ages [Gyr], at most 13.8. A star with NaN gets its line, and the words `no age`.
    star_id : sequence of str (star,)
    truth : (star,), optional
        True ages [Gyr].
    note : str
        What kind of data it is (`semi-synthetic`).

    Returns
    -------
    Figure
        One axes. Each curve is the density per unit log age, scaled to its own peak; the darker
        part holds the central 68 %, the bar is the median.
    """
    fig = canvas(7.5, 1.4 + 0.62 * len(star_id))
    draw_age_axes(fig.subplots(), draws, star_id, truth)
    title(fig, "Age posteriors; dark: central 68 %, bar: median", note)
    return fig


def draw_age_axes(
    ax: Axes, draws: np.ndarray, star_id: Sequence[str], truth: np.ndarray | None = None
) -> None:
    """Draw on given axes what `draw_age_posteriors` shows; it has the parameters."""
    draws = np.asarray(draws, float)
    low = np.nanpercentile(draws, 0.2) if np.isfinite(draws).any() else 1.0
    x = np.linspace(np.log10(0.85 * low), np.log10(OLDEST), 400)
    for i in range(len(star_id)):
        base = len(star_id) - 1 - i
        values = draws[np.isfinite(draws[:, i]), i]
        ax.axhline(base, color=GREY, lw=0.5)
        if len(values) < 2:
            ax.text(10 ** x.mean(), base + 0.1, "no age", color=GREY, ha="center")
            continue
        _ridge(ax, x, values, base, CYCLE[i % 3])
        if truth is not None and np.isfinite(truth[i]):
            known = truth[i]
            ax.plot(known, base, "v", color=BLACK, ms=8, mec="white", zorder=5, clip_on=False)
    if truth is not None:
        ax.plot([], [], "v", color=BLACK, ms=8, label="true age")
        ax.legend(loc="upper left")
    ax.set_yticks(np.arange(len(star_id))[::-1], list(star_id))
    ax.set_ylim(-0.25, len(star_id) + (0.45 if truth is not None else 0.1))
    ax.tick_params(axis="y", length=0)
    log_age_axis(ax, 10 ** x[0])
    ax.set_xlabel("age [Gyr]")
    ax.set_ylabel("density per log age [its peak = 1]")


def _ridge(ax: Axes, x: np.ndarray, values: np.ndarray, base: float, colour: str) -> None:
    density = smooth_density(np.log10(values), x, np.log10(OLDEST))
    seen = density > 0.004 * density.max()
    x, height = x[seen], 0.9 * density[seen] / density.max()
    age = 10**x
    q16, median, q84 = np.percentile(values, [16, 50, 84])
    inner = (age >= q16) & (age <= q84)
    ax.fill_between(age, base, base + height, color=colour, alpha=0.25, lw=0)
    ax.fill_between(age, base, base + height, where=inner, color=colour, alpha=0.65, lw=0)
    ax.plot(age, base + height, color=colour, lw=1.2)
    top = base + np.interp(np.log10(median), x, height)
    ax.plot([median, median], [base, top], color=colour, lw=2)


def smooth_density(values: np.ndarray, x: np.ndarray, edge: float) -> np.ndarray:
    """Gaussian kernel density of `values` (draw,) at `x` (point,), reflected at an upper edge.

    Without the reflection a posterior piled up at 13.8 Gyr would seem to fall off there.
    """
    low, high = np.percentile(values, [16, 84])
    spread = min(np.std(values), (high - low) / 2) or np.std(values) or 1e-3
    width = max(0.9 * spread * len(values) ** -0.2, x[1] - x[0])
    kernel = np.exp(-0.5 * ((x[:, None] - values) / width) ** 2)
    kernel += np.exp(-0.5 * ((x[:, None] - (2 * edge - values)) / width) ** 2)
    return kernel.mean(axis=1) / (width * np.sqrt(2 * np.pi)) * (x <= edge)
