"""Room 8: the catalogue, one row a star, with a glossary of its columns."""

from .build import build_catalog
from .glossary import column
from .write import write_catalog

__all__ = ["build_catalog", "column", "write_catalog"]
