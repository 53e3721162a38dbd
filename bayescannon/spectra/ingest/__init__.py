"""Ingest a whole survey: files in, a normalised and masked store out."""

from bayescannon.spectra.ingest.block import continuum_mask
from bayescannon.spectra.ingest.run import Ingested, ingest_files
from bayescannon.spectra.ingest.sources import expand

__all__ = ["Ingested", "continuum_mask", "expand", "ingest_files"]
