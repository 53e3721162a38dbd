"""The items of Ness et al. 2016 made again, each beside what the paper says."""

from collections.abc import Callable

from studies.paper.ages import fig12, fig13
from studies.paper.bins import fig7
from studies.paper.coefficients import fig3, fig4, fig5, fig6
from studies.paper.crossval import fig1, fig11
from studies.paper.item import Item, NotHere, write_item
from studies.paper.maps import fig8, fig9, fig10
from studies.paper.source import Source
from studies.paper.spectra import fig2
from studies.paper.tables import section4, table1

ITEMS: dict[str, Callable[[Source], Item]] = {
    "fig1": fig1,
    "fig2": fig2,
    "fig3": fig3,
    "fig4": fig4,
    "fig5": fig5,
    "fig6": fig6,
    "fig7": fig7,
    "fig8": fig8,
    "fig9": fig9,
    "fig10": fig10,
    "fig11": fig11,
    "fig12": fig12,
    "fig13": fig13,
    "section4": section4,
    "table1": table1,
}
"""Name of an item -> what makes it, in the paper's order."""

__all__ = ["ITEMS", "Item", "NotHere", "Source", "make_item", "write_item"]


def make_item(name: str, source: Source) -> Item:
    """Make an item; where the run lacks what it needs, one whose caption says why.

    Parameters
    ----------
    name : str
        A key of `ITEMS`.
    source : Source
    """
    try:
        return ITEMS[name](source)
    except NotHere as reason:
        return Item.refused(reason)
