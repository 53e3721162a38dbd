"""Room 8: the catalogue, one row a star, with a glossary of its columns."""

from .build import build_catalog
from .glossary import column
from .paper import paper_table
from .run import run_catalog
from .write import WRITERS, check_suffixes, write_catalog

__all__ = [
    "WRITERS",
    "build_catalog",
    "check_suffixes",
    "column",
    "paper_table",
    "run_catalog",
    "write_catalog",
]
