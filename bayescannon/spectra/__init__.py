"""Room 1: files of spectra, the grids they lie on, and the container that all other rooms take."""

from .bits import AspcapFlag, PixelBit, StarFlag
from .container import STARS_PER_CHUNK, Spectra
from .grid import apogee_wavelength, chip_of, pixel_index, pixel_index_of_size, place
from .readers import RawSpectrum, read_spectrum
from .resample import CovarianceWarning
from .survey import read_all_star, survey_paths

__all__ = [
    "STARS_PER_CHUNK",
    "AspcapFlag",
    "CovarianceWarning",
    "PixelBit",
    "RawSpectrum",
    "Spectra",
    "StarFlag",
    "apogee_wavelength",
    "chip_of",
    "pixel_index",
    "pixel_index_of_size",
    "place",
    "read_all_star",
    "read_spectrum",
    "survey_paths",
]
