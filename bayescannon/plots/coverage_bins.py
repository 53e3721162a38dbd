"""Does the 68 % interval hold 68 % of stars of every kind? Bins of what is observed."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from bayescannon.calibration import binomial_error
from bayescannon.plots.names import symbol
from bayescannon.plots.style import CYCLE, GREY, canvas, styled, title

LEVEL, ERRORS = 0.68, 3.3


@styled
def draw(
    bins: Mapping[str, Mapping[str, Mapping[str, list]]],
    *,
    heading: str = "Stars inside their 68 % interval",
    note: str = "",
    fig: Figure | None = None,
) -> Figure:
    """Draw one panel for each observed quantity, one curve for each label.

    Parameters
    ----------
    bins : mapping
        Label -> observed quantity -> `middle`, `held68`, `n` (bin,).
    heading, note : str
        Title, and what kind of data it is (`semi-synthetic`).
    fig : Figure, optional
        Empty figure to draw in.

    Returns
    -------
    Figure
        Grey: 3.3 binomial errors of a bin. An observed quantity with two values is drawn as 0, 1.
    """
    bins = {name: found for name, found in bins.items() if found}
    panels = list(next(iter(bins.values()), {"S/N": {}}))
    fig = canvas(fig, 2.5 * len(panels) + 0.6, 3.2)
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
    title(fig, heading, note)
    return fig
