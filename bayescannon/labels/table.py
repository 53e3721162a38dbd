"""Label tables: needed columns, known units, one order. NaN is a label that is not known."""

import os
import warnings
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import Table

from bayescannon.errors import UserError

UNITS = {
    "teff": u.K,
    "logg": u.dex(u.cm / u.s**2),
    "feh": u.dex,
    "afe": u.dex,
    "ln_mass": u.dimensionless_unscaled,
    "ln_age": u.dimensionless_unscaled,
}
"""Unit of each label that we know; a label of another name is taken as it comes."""

LOGARITHM_OF = {"ln_mass": ("mass", u.Msun), "ln_age": ("age", u.Gyr)}
"""Labels that are natural logarithms, and the column (with its unit) that can stand for them."""


def read_labels(path: str | os.PathLike) -> Table:
    """Read a label table with astropy (ECSV, FITS, VOTable, CSV).

    Raises
    ------
    UserError
        If the file is missing or no table.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: no such label table")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", u.UnitsWarning)  # units are judged column by column
            return Table.read(path)
    except Exception as error:  # astropy's readers raise nearly every kind
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: not a table that astropy can read ({reason})") from error


def label_arrays(
    table: Table, names: tuple[str, ...], star_id: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Take labels and their errors out of a table, in the order of the stars.

    Parameters
    ----------
    table : Table
        With `star_id`, a column for each label and, where known, `<name>_err`. For `ln_mass`
        a column `mass` [Msun] will do, for `ln_age` a column `age` [Gyr].
    names : sequence of str (label,)
        Which labels.
    star_id : array of str (star,)
        Which stars.

    Returns
    -------
    labels, errors : ndarray (star, label)
        NaN where the table says nothing.

    Raises
    ------
    UserError
        If a column is missing, has an unusable unit, or a star is absent or listed twice.
    """
    rows = _rows(table, star_id)
    columns = [_label(table, name) for name in names]
    labels = np.stack([value[rows] for value, _ in columns], axis=1)
    errors = np.stack([error[rows] for _, error in columns], axis=1)
    return labels, errors


def evolutionary_states(table: Table, star_id: np.ndarray) -> np.ndarray | None:
    """Take `state` or `evstate` out of a table: `rgb`, `rc`, or "" where it says neither.

    Parameters and errors are those of `label_arrays`; None where there is no such column.
    """
    name = next((n for n in ("state", "evstate") if n in table.colnames), None)
    if name is None:
        return None
    column = np.ma.filled(np.ma.asarray(table[name]).astype(str), "")[_rows(table, star_id)]
    state = np.char.lower(np.char.strip(column))
    return np.where(np.isin(state, ["rgb", "rc"]), state, "")


def _rows(table: Table, star_id: np.ndarray) -> np.ndarray:
    if "star_id" not in table.colnames:
        raise UserError("the label table has no column 'star_id': name the stars in it")
    listed = [str(name) for name in table["star_id"]]
    place = {name: row for row, name in enumerate(listed)}
    if len(place) < len(listed):
        twice = next(name for row, name in enumerate(listed) if place[name] != row)
        raise UserError(f"star_id {twice!r} stands twice in the label table: keep one row a star")
    absent = [name for name in star_id if name not in place]
    if absent:
        raise UserError(
            f"{len(absent)} stars of the spectra are not in the label table (first: '{absent[0]}'):"
            " add their rows or leave their spectra out"
        )
    return np.array([place[name] for name in star_id], dtype=int)


def _label(table: Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    if name in table.colnames:
        unit = UNITS.get(name)
        value = read_column(table, name, unit)
        error = read_column(table, f"{name}_err", unit, optional=True)
        return value, error
    linear, unit = LOGARITHM_OF.get(name, ("", None))
    if linear in table.colnames:
        value = read_column(table, linear, unit)
        error = read_column(table, f"{linear}_err", unit, optional=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            log = np.where(value > 0, np.log(value), np.nan)
            return log, error / value
    wanted = f"{name!r}" + (f" (or {linear!r})" if linear else "")
    raise UserError(f"the label table has no column {wanted}; it has: {', '.join(table.colnames)}")


def read_column(table: Table, name: str, unit, optional: bool = False) -> np.ndarray:
    if optional and name not in table.colnames:
        return np.full(len(table), np.nan)
    column = table[name]
    try:
        masked = np.ma.asarray(getattr(column, "value", column)).astype(float)
        values = np.ma.filled(masked, np.nan)
    except (ValueError, TypeError) as error:
        raise UserError(f"column {name!r} must hold one number a star ({error})") from error
    if column.unit is None or unit is None:
        return np.asarray(values)
    # FITS has no dex: what its readers do not know may still be a unit that we know
    given = u.Unit(column.unit.to_string(), parse_strict="silent")  # ty: ignore[unknown-argument]
    if isinstance(given, u.UnrecognizedUnit):
        raise UserError(f"column {name!r} has the unknown unit {given.to_string()!r}; use {unit}")
    try:
        return np.asarray(values) * _factor(given, unit)
    except u.UnitConversionError as error:
        raise UserError(f"column {name!r} is in {given}, which is not a {unit}") from error


def _factor(given, unit) -> float:
    logarithmic = (u.dex, u.dimensionless_unscaled, u.dex(u.cm / u.s**2))
    if unit in logarithmic and given in logarithmic:
        return 1.0  # tables write dex, dex(cm/s2) or nothing for the same numbers
    return (1.0 * given).to_value(unit)
