"""APOGEE's wavelength grids: one log-linear axis, and the pixels of it that each release keeps."""

import numpy as np

from bayescannon.errors import UserError

LOG10_START = 4.179
"""log10 of the first vacuum wavelength [Angstrom] (`CRVAL1` of every apStar file)."""
LOG10_STEP = 6e-6
N_PIXEL = 8575

CHIPS_BY_SIZE = {
    7214: ((322, 3242), (3648, 6048), (6412, 8306)),  # DR12 ASPCAP
    7514: ((246, 3274), (3585, 6080), (6344, 8335)),  # DR14 and later ASPCAP
    8575: ((0, 3445), (3445, 6230), (6230, 8575)),  # all of apStar, cut in the detector gaps
}
"""Half-open pixel ranges of the three detectors on the full axis, by the number of pixels kept."""


def apogee_wavelength(size: int = N_PIXEL) -> np.ndarray:
    """Return the vacuum wavelengths of an APOGEE grid.

    Parameters
    ----------
    size : {8575, 7514, 7214}
        The grid, named by its number of pixels.

    Returns
    -------
    ndarray (pixel,)
        Rest-frame vacuum wavelength [Angstrom].
    """
    return 10 ** (LOG10_START + LOG10_STEP * pixel_index_of_size(size))


def pixel_index_of_size(size: int) -> np.ndarray:
    """Return the positions on the full axis of the pixels of the grid with `size` pixels."""
    if size not in CHIPS_BY_SIZE:
        raise UserError(f"no APOGEE grid has {size} pixels: use one of {sorted(CHIPS_BY_SIZE)}")
    return np.concatenate([np.arange(start, stop) for start, stop in CHIPS_BY_SIZE[size]])


def pixel_index(wavelength: np.ndarray, tolerance: float = 0.01) -> np.ndarray:
    """Find where wavelengths lie on APOGEE's log-linear axis.

    Parameters
    ----------
    wavelength : ndarray (pixel,)
        Vacuum wavelength [Angstrom].
    tolerance : float
        Largest distance to a pixel centre that still counts as on the axis [pixels].

    Returns
    -------
    ndarray of int (pixel,)

    Raises
    ------
    UserError
        If a wavelength is not on the axis: resampling would correlate the noise of
        neighbouring pixels, so it is not done silently.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return index_of_log10(np.log10(np.asarray(wavelength, float)), tolerance)


def index_of_log10(log10: np.ndarray, tolerance: float = 0.01) -> np.ndarray:
    """Do what `pixel_index` does, from log10 of the wavelength."""
    position = (np.asarray(log10, float) - LOG10_START) / LOG10_STEP
    index = np.rint(np.nan_to_num(position, nan=-1.0, posinf=-1.0, neginf=-1.0)).astype(int)
    off = ~(np.abs(position - index) <= tolerance) | (index < 0) | (index >= N_PIXEL)
    if off.any():
        with np.errstate(over="ignore"):
            wrong = 10 ** np.asarray(log10, float)[off][0]
        raise UserError(
            f"wavelength {wrong:.4f} Angstrom is not on APOGEE's log-linear grid "
            f"(10**({LOG10_START} + {LOG10_STEP} i), {N_PIXEL} pixels): give spectra on that grid, "
            "or ask for resampling"
        )
    return index


def place(given: np.ndarray, wanted: np.ndarray, *arrays: np.ndarray) -> list[np.ndarray]:
    """Move pixels between grids by their positions on the full axis.

    Parameters
    ----------
    given, wanted : ndarray of int (given_pixel,), (wanted_pixel,)
        Positions on the full axis.
    *arrays : ndarray (..., given_pixel)

    Returns
    -------
    list of ndarray (..., wanted_pixel)
        0 where nothing was given.
    """
    where = np.full(N_PIXEL, -1)
    where[given] = np.arange(len(given))
    source = where[wanted]
    return [np.where(source >= 0, array[..., source], 0.0) for array in arrays]


def chip_of(index: np.ndarray) -> np.ndarray:
    """Return the detector (0 blue, 1 green, 2 red) of positions on the full axis."""
    edges = [start for start, _ in CHIPS_BY_SIZE[N_PIXEL][1:]]
    return np.searchsorted(edges, index, side="right")
