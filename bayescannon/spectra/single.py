"""The unit in which single precision holds both flux and inverse variance."""

import numpy as np

from bayescannon.errors import UserError

RANGE = np.finfo(np.float32)


def unit_for_single(flux: np.ndarray, ivar: np.ndarray, star_id: np.ndarray) -> float:
    """Give a unit of flux, 1 where none is needed, so that flux and ivar are normal float32.

    Parameters
    ----------
    flux, ivar : array (star, pixel)
        Finite; ivar is 0 where nothing was measured.
    star_id : array of str (star,)
        For the message.

    Returns
    -------
    float
        A power of two, so that no digit changes: `flux / unit` and `ivar * unit**2` are stored.

    Raises
    ------
    UserError
        If no one unit serves all stars.
    """
    if not _outside(flux, ivar).any():
        return 1.0
    measured = ivar > 0
    size = np.median(np.maximum(np.abs(flux[measured]), ivar[measured] ** -0.5))
    unit = float(2.0 ** np.round(np.log2(size)))
    outside = _outside(flux / unit, ivar * unit**2)
    if outside.any():
        star = star_id[np.argmax(outside)]
        raise UserError(
            f"star {star}: its flux or ivar is outside what single precision holds beside the "
            "other stars; bring all spectra to one unit, such as flux over continuum"
        )
    return unit


def _outside(flux: np.ndarray, ivar: np.ndarray) -> np.ndarray:
    """Which stars have a measured value that float32 cannot hold, bool (star,)."""
    out = (ivar > RANGE.max) | ((ivar > 0) & (ivar < RANGE.tiny)) | (np.abs(flux) > RANGE.max)
    return out.any(axis=1)
