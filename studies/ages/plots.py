"""Pictures of the ages of real giants: against published ages, and the calibration of P(rc)."""

import numpy as np
from matplotlib.figure import Figure

from bayescannon.plots.ages import OLDEST, log_age_axis
from bayescannon.plots.style import BLUE, GREY, VERMILLION, canvas, styled, title


@styled
def draw_published_ages(
    published: np.ndarray, ours: np.ndarray, rc: np.ndarray, *, note: str = ""
) -> Figure:
    """Draw both ages against each other, giant branch left and red clump right.

    Parameters
    ----------
    published, ours : (star,)
        Ages [Gyr]; stars with a NaN are left out.
    rc : (star,) bool
        Whether the star is in the red clump.
    note : str
        What kind of data it is (`semi-synthetic`).

    Returns
    -------
    Figure
        Two axes, each with the median and the robust scatter of the difference.
    """
    fig = canvas(9.5, 4.8)
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
    title(fig, "Our ages against published ages", note)
    return fig


def offset_and_scatter(difference: np.ndarray) -> tuple[float, float]:
    """Median, and half of the central 68 %, of (star,) differences."""
    low, middle, high = np.percentile(difference, [16, 50, 84])
    return float(middle), float((high - low) / 2)


EDGES = (0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1.0)


@styled
def draw_p_rc(p: np.ndarray, rc: np.ndarray, *, note: str = "") -> Figure:
    """Draw the share of clump stars against the predicted probability, and its histogram.

    Parameters
    ----------
    p : (star,)
        Predicted probability of the clump, of stars that the classifier has not seen.
    rc : (star,) bool
        Whether the star is in the clump.
    note : str
        What kind of data it is (`semi-synthetic`).

    Returns
    -------
    Figure
        Two axes. Bars are the standard error that calibrated probabilities would have.
    """
    fig = canvas(9.0, 4.4)
    left, right = fig.subplots(1, 2)
    left.plot([0, 1], [0, 1], color=GREY, lw=1, label="calibrated")
    bins = np.clip(np.searchsorted(EDGES, p, side="right") - 1, 0, len(EDGES) - 2)
    for i in np.unique(bins):
        here = bins == i
        expected, n = p[here].mean(), here.sum()
        error = np.sqrt(np.mean(p[here] * (1 - p[here])) / n)
        left.errorbar(expected, rc[here].mean(), error, fmt="o", color=BLUE, ms=5)
        left.annotate(
            f"{n}", (expected, rc[here].mean()), (4, 8 * (-1) ** i - 4), textcoords="offset points"
        )
    left.set(xlabel="predicted P(red clump)", ylabel="share in the clump", xlim=(-0.03, 1.08))
    left.set_ylim(-0.06, 1.1)
    left.legend(loc="upper left")
    steps = np.linspace(0, 1, 41)
    right.hist(p[rc], steps, histtype="step", color=VERMILLION, lw=1.6, label="red clump")
    right.hist(p[~rc], steps, histtype="step", color=BLUE, lw=1.6, label="giant branch")
    right.set_yscale("log")
    right.set(xlabel="predicted P(red clump)", ylabel="stars", xlim=(0, 1))
    right.legend(loc="upper center")
    title(fig, "P(red clump) of held-out giants", note)
    return fig
