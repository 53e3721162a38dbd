"""Table 1 and the comparisons of Section 4."""

from ..catalog.paper import paper_table
from .item import Item
from .source import Source


def table1(source: Source) -> Item:
    """Table 1: the catalogue in the paper's columns and natural logarithms."""
    table = paper_table(source.catalog)
    caption = f"# Table 1\n\n{len(table)} stars.\n"
    return Item({}, caption, {"stars": len(table)}, {"table1.mrt": table})
