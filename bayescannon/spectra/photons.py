"""The recipe's law of photon errors, applied to every spectrum that training or inference sees."""

import numpy as np

from bayescannon.recipe import ErrorRecipe


def photon_ivar(ivar: np.ndarray, errors: ErrorRecipe) -> np.ndarray:
    """Inverse variances under the recipe's law: e becomes sqrt((scale e)^2 + floor^2).

    Parameters
    ----------
    ivar : (star, pixel)
        As quoted; 0 = not measured.
    errors : ErrorRecipe

    Returns
    -------
    ndarray (star, pixel)
        In the precision of `ivar`; the same array where the law changes nothing.
    """
    scale2, floor2 = errors.photon_scale**2, errors.photon_floor**2
    if (scale2, floor2) == (1.0, 0.0):
        return ivar
    return ivar / (scale2 + floor2 * ivar)
