"""Our ages against published ones, star by star, for each evolutionary state."""

import numpy as np
from matplotlib.figure import Figure

from bayescannon.plots.ages import OLDEST, log_age_axis
from bayescannon.plots.style import BLUE, VERMILLION, canvas, styled, title


@styled
def draw(
    published: np.ndarray,
    ours: np.ndarray,
    rc: np.ndarray,
    *,
    heading: str = "Our ages against published ages",
    note: str = "",
    fig: Figure | None = None,
) -> Figure:
    """Draw both ages against each other, giant branch left and red clump right.

    Parameters
    ----------
    published, ours : (star,)
        Ages [Gyr]; stars with a NaN are left out.
    rc : (star,) bool
        Whether the star is in the red clump.
    heading, note : str
        Title, and what kind of data it is.
    fig : Figure, optional
        Empty figure to draw in.

    Returns
    -------
    Figure
        Two axes, each with the median and the robust scatter of the difference.
    """
    fig = canvas(fig, 9.5, 4.8)
    known = np.isfinite(published) & np.isfinite(ours)
    axes = fig.subplots(1, 2, sharey=True)
    for ax, state, name in zip(axes, (~rc, rc), ("giant branch", "red clump"), strict=True):
        here = known & state
        ax.plot(published[here], ours[here], ".", color=BLUE, ms=4, alpha=0.5)
        ax.plot([0.2, 20], [0.2, 20], color=VERMILLION)
        log_age_axis(ax, 0.3, 20.0, "xy")
        ax.axhline(OLDEST, color="0.6", lw=0.8)
        offset, scatter = offset_and_scatter(np.log10(ours[here] / published[here]))
        words = f"{here.sum()} stars\nmedian {offset:+.3f} dex\nscatter {scatter:.3f} dex"
        ax.text(0.04, 0.96, words, transform=ax.transAxes, va="top")
        ax.set(xlabel="published age [Gyr]", title=name)
    axes[0].set_ylabel("our age, median [Gyr]")
    title(fig, heading, note)
    return fig


def offset_and_scatter(difference: np.ndarray) -> tuple[float, float]:
    """Median, and half of the central 68 %, of (star,) differences."""
    low, middle, high = np.percentile(difference, [16, 50, 84])
    return float(middle), float((high - low) / 2)
