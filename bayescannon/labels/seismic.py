"""Mass and surface gravity of a giant from its oscillations: the seismic scaling relations."""

from collections.abc import Callable
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import Table

from bayescannon.columns import with_errors
from bayescannon.tables import as_table
from bayescannon.units import scale_of

NUMAX_SUN = 3140.0
"""Frequency of the Sun's maximum oscillation power [uHz], as in Eq. 3."""
DNU_SUN = 135.03
"""Large frequency separation of the Sun [uHz], as in Eq. 3."""
TEFF_SUN = 5777.0
"""Effective temperature of the Sun [K], as in Eq. 3."""
LOGG_SUN = 4.438068
"""Surface gravity of the Sun [dex, cgs], of the nominal GM and R (IAU 2015, Resolution B3)."""

MASS_POWERS = np.array([3.0, -4.0, 1.5])
"""Powers of numax, dnu and Teff in the mass (Eq. 3)."""
GRAVITY_POWERS = np.array([1.0, 0.0, 0.5])
"""Powers of numax, dnu and Teff in the surface gravity."""

Correction = Callable[[Table], np.ndarray]
"""What corrects a frequency: takes the table, gives the factor (star,) to multiply it by."""


def uncorrected(table: Table) -> np.ndarray:
    """Correct nothing: the factor 1 for each star, (star,)."""
    return np.ones(len(table))


def seismic_mass(
    table: Any,
    *,
    correct_numax: Correction = uncorrected,
    correct_dnu: Correction = uncorrected,
) -> tuple[np.ndarray, np.ndarray]:
    """Mass from numax, dnu and Teff: Eq. 3 of Ness et al. (2016), unmodified by default.

    Parameters
    ----------
    table : Table or data frame
        With `numax` [uHz], `dnu` [uHz] and `teff` [K], a row a star, and for errors
        `numax_err`, `dnu_err` and `teff_err`. Columns may have other units of that kind.
    correct_numax, correct_dnu : callable
        Take the table, so that they may depend on any of its columns (metallicity, evolutionary
        state), and give the factor (star,) by which the measured frequency is multiplied. For a
        published f_dnu that multiplies the *relation* (Sharma et al. 2016, ApJ 822, 15), give
        1 / f_dnu.

    Returns
    -------
    mass, error : ndarray (star,)
        [Msun]. The error is first order in independent errors, exact for ln M where they are
        lognormal; corrections are taken as exact. NaN where the table lacks a number, or where
        one that must be positive is not.

    Raises
    ------
    UserError
        If a column is missing or has an unusable unit.
    """
    value, relative = _relation(table, MASS_POWERS, correct_numax, correct_dnu)
    return value, relative * value


def seismic_logg(
    table: Any, *, correct_numax: Correction = uncorrected
) -> tuple[np.ndarray, np.ndarray]:
    """Surface gravity from numax and Teff: g ~ numax Teff^1/2 (Kjeldsen & Bedding 1995).

    Parameters
    ----------
    table : Table or data frame
        With `numax` [uHz] and `teff` [K], and for errors `numax_err` and `teff_err`.
    correct_numax : callable
        As for `seismic_mass`.

    Returns
    -------
    logg, error : ndarray (star,)
        [dex, cgs]. NaN as for `seismic_mass`.

    Raises
    ------
    UserError
        If a column is missing or has an unusable unit.
    """
    value, relative = _relation(table, GRAVITY_POWERS, correct_numax, uncorrected)
    return LOGG_SUN + np.log10(value), relative / np.log(10.0)


def _relation(
    table: Any, powers: np.ndarray, correct_numax: Correction, correct_dnu: Correction
) -> tuple[np.ndarray, np.ndarray]:
    """Product of powers of the measurements in solar units, and its relative error."""
    quantities = (
        ("numax", u.uHz, NUMAX_SUN, correct_numax),
        ("dnu", u.uHz, DNU_SUN, correct_dnu),
        ("teff", u.K, TEFF_SUN, uncorrected),
    )
    table = as_table(table)
    log, variance = np.zeros(len(table)), np.zeros(len(table))
    for (name, unit, sun, correct), power in zip(quantities, powers, strict=True):
        if not power:
            continue
        measured, error = with_errors(table, name, scale_of(unit))
        factor = np.broadcast_to(np.asarray(correct(table), float), measured.shape)
        log += power * np.log(np.where(factor > 0, factor, np.nan) * measured / sun)
        variance += (power * np.where(error >= 0, error, np.nan) / measured) ** 2
    return np.exp(log), np.sqrt(variance)
