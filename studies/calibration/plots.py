"""Do fit numbers and flags tell which stars are bad?"""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from bayescannon.plots.style import BLUE, VERMILLION, canvas, styled, title


@styled
def draw_deciles(
    deciles: Mapping[str, Mapping[str, list]],
    *,
    heading: str = "Bad and flagged stars",
    note: str = "",
) -> Figure:
    """Draw shares of bad and of flagged stars in tenths of the sample.

    Parameters
    ----------
    deciles : mapping
        Quantity that sorts the stars -> `bad`, `flagged` (tenth,).
    heading, note : str
        Title, and what kind of data it is (`semi-synthetic`).
    """
    fig = canvas(3.2 * len(deciles) + 0.4, 3.0)
    axes = fig.subplots(1, len(deciles), sharey=True, squeeze=False)[0]
    for ax, (name, found) in zip(axes, deciles.items(), strict=True):
        at = np.arange(1, len(found["bad"]) + 1)
        ax.plot(at, found["flagged"], "s-", ms=3, color=BLUE, label="flagged")
        ax.plot(at, found["bad"], "o-", ms=3, color=VERMILLION, label="off by > 3 sd")
        ax.set_xlabel(f"tenth of the stars by {name}")
    axes[0].set(ylim=(0, 1), ylabel="share of stars")
    axes[0].legend()
    title(fig, heading, note)
    return fig
