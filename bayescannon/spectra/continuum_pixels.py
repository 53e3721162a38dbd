"""Find continuum pixels from a first model."""

import numpy as np

SECTIONS = 6
"""Parts of a detector that each give their share: pixels at one end hold no polynomial."""


def find_continuum(
    baseline: np.ndarray,
    slopes: np.ndarray,
    chip: np.ndarray,
    usable: np.ndarray,
    *,
    tolerance: float = 0.015,
    share: float = 0.07,
) -> np.ndarray:
    """Choose pixels with flux near one that depends on no label (Ness et al. 2015, section 5.2).

    Parameters
    ----------
    baseline : (pixel,)
        Coefficient of order zero: the flux at the pivot labels.
    slopes : (pixel, label)
        First-order coefficients in scaled labels, so that one limit serves all.
    chip : (pixel,)
        Detector of each pixel.
    usable : bool (pixel,)
        Pixels that the model describes.
    tolerance : float
        Largest distance of `baseline` from 1.
    share : float
        Share of each section's pixels to take: those with the smallest largest slope.

    Returns
    -------
    bool (pixel,)
        None of a section where no baseline is near one.
    """
    steepest = np.abs(np.asarray(slopes)).max(axis=1)
    candidate = np.asarray(usable) & (np.abs(np.asarray(baseline) - 1) < tolerance)
    chosen = np.zeros(len(steepest), bool)
    for detector in np.unique(chip):
        for section in np.array_split(np.flatnonzero(chip == detector), SECTIONS):
            here = section[candidate[section]]
            most = max(1, round(share * section.size))
            chosen[here[np.argsort(steepest[here], kind="stable")[:most]]] = True
    return chosen
