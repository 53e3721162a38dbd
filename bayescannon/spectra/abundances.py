"""Catalogue abundances as `Spectra`: six channels of an allStar table, DR12 to DR17."""

import os
import warnings

import numpy as np
from astropy.table import Table

from bayescannon.columns import find, flag_bits, numbers
from bayescannon.data import apokasc
from bayescannon.errors import UserError
from bayescannon.plain import bare, plain
from bayescannon.recipe import BAD_ASPCAP, BAD_STAR
from bayescannon.spectra.bits import AspcapFlag, StarFlag, bits
from bayescannon.spectra.container import Spectra
from bayescannon.spectra.survey import IDENTITY, NAMES, survey_columns
from bayescannon.star_ids import unique_ids
from bayescannon.tables import naming, read_table

CHANNELS = ("teff_spec", "logg_spec", "m_h", "a_m", "c_m", "n_m")
"""Calibrated Teff [1000 K] and log g [dex, cgs]; [M/H], [alpha/M], [C/M], [N/M] [dex]."""

COLUMNS = {
    "teff_spec": ("TEFF",),
    "logg_spec": ("LOGG",),
    "m_h": ("M_H", "PARAM_M_H", "METALS", "M_H_ATM"),
    "a_m": ("ALPHA_M", "PARAM_ALPHA_M", "ALPHAFE", "ALPHA_M_ATM"),
    "c_m": ("C_M", "PARAM_C_M", "C_M_ATM"),
    "n_m": ("N_M", "PARAM_N_M", "N_M_ATM"),
}
"""Columns of the releases, the newest first; the first that is there is used."""

PARAM_INDEX = {"m_h": 3, "a_m": 6, "c_m": 4, "n_m": 5}
"""Places in PARAM and FPARAM: Teff, log g, log vmicro, [M/H], [C/M], [N/M], [alpha/M], ..."""

ERROR = np.array([0.003, 0.003, 0.003, 0.003, 0.01, 0.01])
"""Error given to each channel: the labels are the catalogue's own values, and quoted errors of
the first four are floors of the calibration. [C/M], [N/M]: at least this, else as quoted."""
OF_GIANTS = ("teff_spec", "logg_spec", "feh_spec", "afe_spec", "c_m", "n_m")
"""The same channels in the table of real giants that ships."""
USED_ERRORS = ("c_m", "n_m")
TOLERANCE = 0.03
"""A zero point of [C/M] or [N/M] further off than this [dex] is warned of."""
ENOUGH = 50
"""Stars inside the training range that a zero point needs."""


class ZeroPointWarning(UserWarning):
    """The table's [C/M] or [N/M] are not on the scale of the training release."""


def to_channels(values: np.ndarray, errors: np.ndarray, star_id, columns=None) -> Spectra:
    """Put values (star, 6), Teff in K, into channels; what is not finite is not measured.

    Parameters
    ----------
    values, errors : (star, channel)
        In the order of `CHANNELS`, Teff in K. Only errors of [C/M] and [N/M] are used, and
        only where they are above `ERROR`.
    star_id : (star,)
    columns : mapping of str to array (star,), optional

    Returns
    -------
    Spectra
    """
    flux = np.array(values, float)
    flux[:, 0] /= 1000.0
    error = np.tile(ERROR, (len(flux), 1))
    for name in USED_ERRORS:
        i = CHANNELS.index(name)
        error[:, i] = np.fmax(error[:, i], errors[:, i])
    ivar = np.where(np.isfinite(flux), error**-2.0, 0.0)
    return Spectra(None, flux, ivar, star_id, channel=CHANNELS, columns=columns)


def read_abundances(
    path: str | os.PathLike, training: Spectra | None = None, shift: bool = False
) -> Spectra:
    """Read an allStar table of any release from DR12 to DR17.

    Parameters
    ----------
    path : path
        FITS, also compressed, or a table of its columns in another format.
    training : Spectra, optional
        Channels of the training stars: zero points of [C/M], [N/M] are compared with theirs.
    shift : bool
        Put [C/M] and [N/M] on the training release's zero points.

    Returns
    -------
    Spectra
        Channels `CHANNELS`; ivar 0 for -9999, NaN, or a `<PARAMETER>_BAD` flag. A repeated
        APOGEE_ID becomes `ID#2`, `ID#3` in order of rows. Column `bad_star`.

    Raises
    ------
    UserError
        If the file is no allStar table, or lacks a parameter.

    Warns
    -----
    ZeroPointWarning
    """
    named = [name for names in COLUMNS.values() for name in names]
    named += [form.format(name) for name in named for form in ("{}_ERR", "E_{}")]
    wanted = ("star_id", *IDENTITY, "star_flags", "aspcap_flags", "flag_bad")
    about = [name for ours in wanted for name in NAMES[ours]]
    rows = read_table(path, NAMES["star_id"], ("PARAM", "FPARAM", *named, *about))
    star_id = find(rows, *NAMES["star_id"])
    if star_id is None:
        raise UserError(f"{path}: has no column APOGEE_ID: not an allStar table")
    with naming(path):
        values, errors = (
            np.column_stack([_read(rows, name, forms) for name in CHANNELS])
            for forms in (("{}",), ("{}_ERR", "E_{}"))
        )
        bad_star, bad = _flags(rows)
        names = unique_ids(rows[star_id])
        known = survey_columns(rows, IDENTITY)
    values[bad] = np.nan
    spectra = to_channels(values, errors, names, {"bad_star": bad_star} | known)
    return spectra if training is None else on_scale(spectra, training, shift)


def real_giants(mass: str = "mass_apokasc2") -> tuple[Spectra, Table, np.ndarray]:
    """Channels, labels (with errors) and states of the 1502 real giants with abundances.

    Parameters
    ----------
    mass : {"mass_apokasc2", "mass"}
        Corrected (NaN for 110 of them) or plain scaling-relation masses.
    """
    real = apokasc()
    x = np.column_stack([numbers(real, name) for name in OF_GIANTS])
    use = np.isfinite(x).all(axis=1)
    x, real = x[use], real[use]
    spectra = to_channels(x, np.full(x.shape, np.nan), np.asarray(real["star_id"], str))
    labels = Table({"star_id": spectra.star_id})
    for i, name in enumerate(("teff", "logg", "feh", "afe")):
        labels[name] = x[:, i]
    labels["mass"] = numbers(real, mass)
    sides = ("mass_errp", "mass_errm") if mass == "mass" else (f"{mass}_err",)
    labels["mass_err"] = np.mean([numbers(real, side) for side in sides], axis=0)
    return spectra, labels, np.char.lower(np.asarray(real["evstate"], str))


def zero_points(spectra: Spectra, training: Spectra) -> dict[str, float]:
    """Median of [C/M] and [N/M] less what training stars of like Teff, log g, [M/H], [a/M] have.

    Stars outside the training stars' box are left out; NaN where fewer than 50 are inside.
    """
    x, w = spectra.arrays()
    x0, w0 = training.arrays()
    use0 = (w0 > 0).all(axis=1)
    low, high = np.percentile(x0[use0, :4], [1, 99], axis=0)
    inside = ((x[:, :4] >= low) & (x[:, :4] <= high) & (w[:, :4] > 0)).all(axis=1)
    pivot, scale = x0[use0, :4].mean(axis=0), x0[use0, :4].std(axis=0)
    out = {}
    for i in (4, 5):
        fit = np.linalg.lstsq(_quadratic((x0[use0, :4] - pivot) / scale), x0[use0, i], rcond=None)
        use = inside & (w[:, i] > 0)
        left = x[use, i] - _quadratic((x[use, :4] - pivot) / scale) @ fit[0]
        out[CHANNELS[i]] = float(np.median(left)) if use.sum() >= ENOUGH else np.nan
    return out


def on_scale(spectra: Spectra, training: Spectra, shift: bool = False) -> Spectra:
    """Warn of zero points of [C/M] and [N/M] that are off, or take them out with `shift`."""
    offset = zero_points(spectra, training)
    if shift:
        flux, ivar = spectra.arrays()
        flux[:, 4:] -= np.nan_to_num([offset["c_m"], offset["n_m"]])[None]
        return Spectra(None, flux, ivar, spectra.star_id, channel=CHANNELS, columns=spectra.columns)
    for name, off in offset.items():
        if abs(off) > TOLERANCE:
            warnings.warn(
                f"{name} is {off:+.3f} dex off the training release at like labels: masses are "
                "shifted; use --shift (shift=True) if this is a zero point and not the stars",
                ZeroPointWarning,
                stacklevel=3,
            )
    return spectra


def _quadratic(x: np.ndarray) -> np.ndarray:
    i, j = np.triu_indices(x.shape[1])
    return np.column_stack([np.ones(len(x)), x, x[:, i] * x[:, j]])


def _read(rows: Table, name: str, forms: tuple[str, ...]) -> np.ndarray:
    found = find(rows, *(form.format(column) for column in COLUMNS[name] for form in forms))
    if found is not None:
        return numbers(rows, found)
    if forms != ("{}",):
        return np.full(len(rows), np.nan)
    vector = find(rows, "PARAM", "FPARAM")
    if vector is None or name not in PARAM_INDEX or rows[vector].ndim != 2:
        raise UserError(f"has no column {' or '.join(COLUMNS[name])} (nor FPARAM)")
    return numbers(Table({vector: plain(rows[vector])[:, PARAM_INDEX[name]]}), vector)


def _flags(rows: Table) -> tuple[np.ndarray, np.ndarray]:
    """Stars to mark (star,), and values not to use (star, channel)."""
    bad_star = np.zeros(len(rows), bool)
    bad = np.zeros((len(rows), len(CHANNELS)), bool)
    if (name := find(rows, *NAMES["star_flags"])) is not None:
        bad_star |= (flag_bits(rows, name, "STARFLAG")[0] & bits(StarFlag, BAD_STAR)) != 0
    if (name := find(rows, *NAMES["flag_bad"])) is not None:  # SDSS-V says so itself
        bad_star |= bare(rows[name]).astype(bool)
    if find(rows, "ASPCAPFLAG"):
        flags = flag_bits(rows, "ASPCAPFLAG", "ASPCAPFLAG")[0]
        bad_star |= (flags & bits(AspcapFlag, BAD_ASPCAP)) != 0
        words = ("TEFF_BAD", "LOGG_BAD", "M_H_BAD", "ALPHA_M_BAD", "C_M_BAD", "N_M_BAD")
        for i, word in enumerate(words):
            bad[:, i] = (flags & bits(AspcapFlag, (word,))) != 0
    return bad_star, bad
