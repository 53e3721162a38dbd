"""Files of spectra, the grids they lie on, and the container that all other modules take."""

from bayescannon.spectra.bits import AspcapFlag, PixelBit, StarFlag
from bayescannon.spectra.container import SIMULATED, STARS_PER_CHUNK, Spectra
from bayescannon.spectra.grid import (
    apogee_wavelength,
    chip_of,
    pixel_index,
    pixel_index_of_size,
    place,
)
from bayescannon.spectra.readers import RawSpectrum, read_spectrum
from bayescannon.spectra.resample import CovarianceWarning
from bayescannon.spectra.survey import read_all_star, survey_paths

__all__ = [
    "SIMULATED",
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
