"""Age posteriors of a handful of stars, and the axis of ages."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from bayescannon.plots.style import BLACK, CYCLE, GREY, canvas, styled, title

OLDEST = 13.8
"""Upper edge of every age prior [Gyr]."""
TICKS = (0.2, 0.5, 1, 2, 5, 10)
MINOR = (*(i / 10 for i in range(1, 10)), *range(1, 14))


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
