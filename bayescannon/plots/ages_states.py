"""Is P(rc) honest? Reliability of the classifier of the evolutionary state."""

import numpy as np
from matplotlib.figure import Figure

from bayescannon.plots.style import BLUE, GREY, VERMILLION, canvas, styled, title

EDGES = (0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1.0)


@styled
def draw(
    p: np.ndarray,
    rc: np.ndarray,
    *,
    heading: str = "P(red clump) of held-out giants",
    note: str = "",
    fig: Figure | None = None,
) -> Figure:
    """Draw the share of clump stars against the predicted probability, and its histogram.

    Parameters
    ----------
    p : (star,)
        Predicted probability of the clump, of stars that the classifier has not seen.
    rc : (star,) bool
        Whether the star is in the clump.
    heading, note : str
        Title, and what kind of data it is.
    fig : Figure, optional
        Empty figure to draw in.

    Returns
    -------
    Figure
        Two axes. Bars are the standard error that honest probabilities would have.
    """
    fig = canvas(fig, 9.0, 4.4)
    left, right = fig.subplots(1, 2)
    left.plot([0, 1], [0, 1], color=GREY, lw=1, label="honest")
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
    title(fig, heading, note)
    return fig
