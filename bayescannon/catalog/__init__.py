"""The catalogue, one row a star, with a glossary of its columns."""

from bayescannon.catalog.build import build_catalog
from bayescannon.catalog.glossary import column
from bayescannon.catalog.paper import paper_table
from bayescannon.catalog.run import run_catalog
from bayescannon.catalog.write import write_catalog

__all__ = [
    "build_catalog",
    "column",
    "paper_table",
    "run_catalog",
    "write_catalog",
]
