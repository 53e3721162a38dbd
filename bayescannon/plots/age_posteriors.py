"""Age posteriors of a handful of stars."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayescannon.plots.ages import OLDEST, log_age_axis
from bayescannon.plots.style import BLACK, CYCLE, GREY, canvas, styled, title


@styled
def draw(
    draws: np.ndarray,
    star_id: Sequence[str],
    truth: np.ndarray | None = None,
    *,
    heading: str = "Age posteriors",
    note: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Draw the age posterior of each of a few stars, one above the other.

    Parameters
    ----------
    draws : (draw, star)
        Ages [Gyr], at most 13.8. A star with NaN gets its line, and the words `no age`.
    star_id : sequence of str (star,)
    truth : (star,), optional
        True ages [Gyr].
    heading, note : str
        Title, and what kind of data it is (`semi-synthetic`).
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Figure
        One axes. Each curve is the density per unit log age, scaled to its own peak; the darker
        part holds the central 68 %, the bar is the median.
    """
    draws = np.asarray(draws, float)
    if ax is None:
        ax = canvas(None, 7.5, 1.4 + 0.62 * len(star_id)).subplots()
    fig = ax.get_figure(root=True)
    assert fig is not None
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
    title(fig, f"{heading}; dark: central 68 %, bar: median", note)
    return fig


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
