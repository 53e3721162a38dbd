"""Room 8: the catalogue, one row a star, with a glossary of its columns."""

from .build import build_catalog
from .glossary import column
from .run import run_catalog
from .write import write_catalog

__all__ = ["build_catalog", "column", "run_catalog", "write_catalog"]
