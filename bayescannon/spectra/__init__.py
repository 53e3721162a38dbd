"""Room 1: files of spectra, the grids they lie on, and the container that all other rooms take."""

from .container import Spectra
from .grid import apogee_wavelength, chip_of, pixel_index, pixel_index_of_size
from .readers import RawSpectrum, read_spectrum

__all__ = [
    "RawSpectrum",
    "Spectra",
    "apogee_wavelength",
    "chip_of",
    "pixel_index",
    "pixel_index_of_size",
    "read_spectrum",
]
