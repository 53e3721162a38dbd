"""The items of Ness et al. 2016 made again, each beside what the paper says."""

from collections.abc import Callable

from .item import Item, NotHere, write_item
from .source import Source
from .tables import table1

ITEMS: dict[str, Callable[[Source], Item]] = {"table1": table1}
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
