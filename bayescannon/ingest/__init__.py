"""Rooms 1 and 2 for a whole survey: files in, a normalised and masked store out."""

from .block import continuum_mask
from .run import Ingested, ingest_files
from .sources import expand

__all__ = ["Ingested", "continuum_mask", "expand", "ingest_files"]
