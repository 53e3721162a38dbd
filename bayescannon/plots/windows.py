"""Where in the spectrum the information of a label sits: the strongest pixels, and windows."""

import numpy as np

from bayescannon.model import Model


def strongest_pixels(
    wavelength: np.ndarray,
    first_order: np.ndarray,
    usable: np.ndarray | None = None,
    count: int = 1,
    separation: float = 10.0,
) -> np.ndarray:
    """Find the pixels with the largest first-order coefficients, not two of one line.

    Parameters
    ----------
    wavelength : (pixel,)
        [Angstrom].
    first_order : (pixel, label)
        First-order coefficients, flux per scaled label.
    usable : bool (pixel,), optional
        False where a pixel shall not be taken. NaN coefficients are never taken.
    count : int
        How many pixels per label.
    separation : float
        Smallest distance between two pixels of one label [Angstrom].

    Returns
    -------
    ndarray of int (label, count)
        Positions, strongest first; -1 where no pixel is left.
    """
    strength = np.abs(np.asarray(first_order, float))
    allowed = np.isfinite(strength)
    if usable is not None:
        allowed &= np.asarray(usable, bool)[:, None]
    strength = np.where(allowed, strength, -1.0)
    found = np.full((strength.shape[1], count), -1)
    for label, left in enumerate(strength.T):
        for place in range(count):
            best = int(np.argmax(left))
            if left[best] < 0:
                break
            found[label, place] = best
            left[np.abs(wavelength - wavelength[best]) < separation] = -1.0
    return found


def first_order(model: Model) -> np.ndarray:
    """First-order coefficients of a model, (pixel, label); NaN where a pixel is unusable."""
    linear = model.coefficients[:, 1 : 1 + len(model.labels)]
    return np.where(model.usable[:, None], linear, np.nan)


def strongest_wavelengths(model: Model, count: int = 1, separation: float = 10.0) -> np.ndarray:
    """Wavelengths [Angstrom] of the strongest pixels of each label, (label, count).

    Raises
    ------
    ValueError
        If the model's pixels are channels, not wavelengths.
    """
    wavelength = axis(model)
    found = strongest_pixels(wavelength, first_order(model), None, count, separation)
    return np.where(found >= 0, wavelength[found], np.nan)


PAPER_WINDOWS = (15221.0, 15241.0, 15338.0, 15720.0, 15770.0, 16191.0, 16370.0, 16810.0)
"""Middles [Angstrom] of the windows of Figs. 2 to 6 of Ness et al. 2016: around the strongest lines
of [Fe/H], mass, Teff, Teff, log g, mass, [alpha/Fe] and log g."""


PAPER_OF_LABEL = {
    "logg": (15770.0, 16810.0),
    "teff": (15338.0, 15720.0),
    "feh": (15221.0,),
    "afe": (16370.0,),
    "ln_mass": (15241.0, 16191.0),
}
"""The same, label by label, the strongest first (Figs. 3 to 6)."""


def paper_windows(model: Model) -> np.ndarray:
    """Middles of the paper's eight windows [Angstrom], (window,).

    Where the model does not reach all of them, the strongest pixel of each label serves.

    Raises
    ------
    ValueError
        If the model's pixels are channels, not wavelengths.
    """
    wavelength, wanted = axis(model), np.array(PAPER_WINDOWS)
    if (wanted > wavelength[0]).all() and (wanted < wavelength[-1]).all():
        return wanted
    return strongest_wavelengths(model)[:, 0]


def axis(model: Model) -> np.ndarray:
    """Wavelengths of a model's pixels [Angstrom], (pixel,).

    Raises
    ------
    ValueError
        If its pixels are channels, not wavelengths.
    """
    if model.wavelength is None:
        raise ValueError(f"model {model.name!r} has channels, not wavelengths: no window to draw")
    return np.asarray(model.wavelength, float)


def window(wavelength: np.ndarray, centre: float, width: float) -> slice:
    """Pixels within `width` [Angstrom] around `centre`; the last pixels where it runs out."""
    low, high = np.searchsorted(wavelength, [centre - width / 2, centre + width / 2])
    return slice(int(low), int(high))


def broken(wavelength: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Copy `values` (pixel,) with NaN beside each gap, so that no line is drawn across it."""
    values = np.array(values, float)
    step = np.diff(wavelength)
    if step.size:
        values[1:][step > 3 * np.median(step)] = np.nan
    return values


PAPER_STAR = {"teff": 4843.0, "logg": 2.5, "feh": -0.06, "afe": 0.04, "ln_mass": 0.0}
"""The paper's star; its mass is 1.0 Msun."""


def unlike_paper_star(labels: np.ndarray, model: Model) -> np.ndarray:
    """Squared distance of labels (star, label) from the paper's star, in scaled labels, (star,)."""
    pivots = zip(model.labels, model.scaling.pivot, strict=True)
    wanted = np.array([PAPER_STAR.get(name, pivot) for name, pivot in pivots])
    return np.sum(((labels - wanted) / model.scaling.scale) ** 2, axis=1)
