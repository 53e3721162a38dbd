"""Ranks and coverage in bins; and do fit numbers and flags tell which stars are bad?"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from bayescannon.calibration import binomial_error, ecdf_band
from bayescannon.plots.style import BLUE, CYCLE, GREY, VERMILLION, canvas, styled, symbol, title

LEVEL, ERRORS = 0.68, 3.3


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


@styled
def draw_ecdf(pit: np.ndarray, names: Sequence[str], *, note: str = "") -> Figure:
    """Draw one curve a label; a calibrated one stays in the grey band in 99 % of cases.

    Parameters
    ----------
    pit : (star, label)
        See `calibration.pit_of_draws`; NaN is left out.
    names : sequence of str (label,)
    note : str
        What kind of data it is (`semi-synthetic`).

    Returns
    -------
    Figure
        A hump above 0 on the left and below on the right: too narrow. A slope: biased.
    """
    fig = canvas(6.0, 3.6)
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
    title(fig, "Ranks of the truth", note)
    return fig


@styled
def draw_coverage_bins(
    bins: Mapping[str, Mapping[str, Mapping[str, list]]], *, note: str = ""
) -> Figure:
    """Draw one panel for each observed quantity, one curve for each label.

    Parameters
    ----------
    bins : mapping
        Label -> observed quantity -> `middle`, `held68`, `n` (bin,).
    note : str
        What kind of data it is (`semi-synthetic`).

    Returns
    -------
    Figure
        Grey: 3.3 binomial errors of a bin. An observed quantity with two values is drawn as 0, 1.
    """
    bins = {name: found for name, found in bins.items() if found}
    panels = list(next(iter(bins.values()), {"S/N": {}}))
    fig = canvas(2.5 * len(panels) + 0.6, 3.2)
    axes = fig.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for ax, panel in zip(axes, panels, strict=True):
        for i, (name, found) in enumerate(bins.items()):
            one = found[panel]
            ax.plot(one["middle"], one["held68"], "o-", ms=3, color=CYCLE[i], label=symbol(name))
        fewest = min(min(found[panel]["n"], default=1) for found in bins.values())
        width = ERRORS * binomial_error(LEVEL, fewest)
        ax.axhspan(LEVEL - width, LEVEL + width, color=GREY, alpha=0.25, lw=0)
        ax.axhline(LEVEL, color=GREY, lw=1)
        ax.set_xlabel(panel + (" (1: clump)" if panel == "state" else ""))
    axes[0].set(ylim=(0.3, 1.0), ylabel="share inside")
    axes[-1].legend(fontsize=7, loc="lower right")
    title(fig, "Stars inside their 68 % interval", note)
    return fig
