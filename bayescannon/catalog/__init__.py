"""The catalogue, one row a star, with a glossary of its columns."""

from bayescannon.catalog.aliases import with_aliases
from bayescannon.catalog.build import build_catalog
from bayescannon.catalog.carry import carried
from bayescannon.catalog.glossary import column
from bayescannon.catalog.paper import paper_table
from bayescannon.catalog.read import read_catalog
from bayescannon.catalog.run import run_catalog
from bayescannon.catalog.write import write_catalog

__all__ = [
    "build_catalog",
    "carried",
    "column",
    "paper_table",
    "read_catalog",
    "run_catalog",
    "with_aliases",
    "write_catalog",
]
