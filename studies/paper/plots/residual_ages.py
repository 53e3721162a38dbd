"""Is there age in a spectrum beyond [Fe/H] and [alpha/Fe]? Ages within abundance bins (Fig. 7)."""

import numpy as np
from matplotlib.figure import Figure

from bayescannon.plots.style import BLUE, GREY, VERMILLION, canvas, styled, title
from studies.paper.plots.abundance_maps import AFE, FEH
from studies.paper.plots.age_maps import AGE_COLOURS, ERROR_COLOURS, Grid, draw_map


@styled
def draw(
    mean: Grid,
    dispersion: Grid,
    ours: np.ndarray,
    given: np.ndarray,
    slope: tuple[float, float],
    *,
    given_word: str = "seismic",
    heading: str = "Ages within mono-abundance bins",
    note: str = "",
) -> Figure:
    """Draw mean age and dispersion of each bin, and residuals of both ages from the bin's means.

    Parameters
    ----------
    mean, dispersion : Grid
        Mean age of each bin and its dispersion [Gyr]; counts are written into the bins.
    ours, given : ndarray (star,)
        Ages from spectra and from the catalogue, less the mean of the star's bin [Gyr].
    slope : (float, float)
        Of `given` on `ours`, and its error.
    given_word : str
        Where the other ages come from.
    heading, note : str
        Title, and what kind of data it is (`semi-synthetic`).

    Returns
    -------
    Figure
        Three axes.
    """
    fig = canvas(13.5, 4.3)
    axes = fig.subplots(1, 3)
    top = float(np.nanmax(dispersion.values, initial=1.0))
    for ax, grid, limits, colours, word in (
        (axes[0], mean, (1.0, 9.0), AGE_COLOURS, "mean age [Gyr]"),
        (axes[1], dispersion, (0.0, top), ERROR_COLOURS, "dispersion of ages [Gyr]"),
    ):
        fig.colorbar(draw_map(ax, grid, limits, colours), ax=ax, label=word)
        ax.set(xlabel=FEH, ylabel=AFE, title=word.split(" [")[0])
    for i, j in np.argwhere(np.isfinite(mean.values)):
        x, y = (e[k : k + 2].mean() for e, k in ((mean.x_edges, i), (mean.y_edges, j)))
        light = mean.values[i, j] > 5.0
        colour = "black" if light else "white"
        axes[0].text(x, y, str(mean.count[i, j]), color=colour, ha="center", va="center", size=7)
    reach = 1.05 * float(np.percentile(np.abs([*ours, *given]), 99.5)) if len(ours) else 1.0
    ax, ends = axes[2], np.array([-reach, reach])
    ax.plot(ours, given, ".", color=BLUE, ms=3, alpha=0.4, label=f"{len(ours)} stars")
    ax.plot(ends, ends, color=GREY, ls="--", label="slope 1")
    words = rf"slope {slope[0]:.2f} $\pm$ {slope[1]:.2f}"
    ax.plot(ends, slope[0] * ends, color=VERMILLION, label=words)
    ax.set(xlim=ends, ylim=ends, title="residuals from the bin's mean")
    ax.set_xlabel("age from the spectrum - bin mean [Gyr]")
    ax.set_ylabel(f"{given_word} age - bin mean [Gyr]")
    ax.legend(loc="upper left")
    title(fig, heading, note)
    return fig
