"""Ranks against the uniform distribution: the ECDF of PIT values, less the diagonal."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from bayescannon.calibration import ecdf_band
from bayescannon.plots.names import symbol
from bayescannon.plots.style import CYCLE, GREY, canvas, styled, title


@styled
def draw(
    pit: np.ndarray,
    names: Sequence[str],
    *,
    heading: str = "Ranks of the truth",
    note: str = "",
    fig: Figure | None = None,
) -> Figure:
    """Draw one curve a label; the grey band holds all of an honest curve in 99 % of cases.

    Parameters
    ----------
    pit : (star, label)
        See `calibration.pit_of_draws`; NaN is left out.
    names : sequence of str (label,)
    heading, note : str
        Title, and what kind of data it is (`semi-synthetic`).
    fig : Figure, optional
        Empty figure to draw in.

    Returns
    -------
    Figure
        A hump above 0 on the left and below on the right: too narrow. A slope: biased.
    """
    fig = canvas(fig, 6.0, 3.6)
    ax = fig.subplots()
    for i, name in enumerate(names):
        u = np.sort(pit[np.isfinite(pit[:, i]), i])
        if u.size:
            ax.plot(u, np.arange(1, u.size + 1) / u.size - u, label=symbol(name), color=CYCLE[i])
    fewest = int(np.isfinite(pit).sum(axis=0).min(initial=len(pit)))
    width = ecdf_band(max(fewest, 1))
    ax.axhspan(-width, width, color=GREY, alpha=0.25, lw=0)
    ax.set(xlim=(0, 1), xlabel="PIT (rank of the truth)", ylabel="ECDF - diagonal")
    ax.legend(ncols=3, loc="upper right")
    title(fig, heading, note)
    return fig
