"""Columns of a user's table as plain arrays: the one place that knows how tables are written.

Names are found in any case. What surveys write for "none" (masked, empty, -9999, 99.99, 1e20) is
NaN. Units are converted, those of an error with its label, or refused by name.
"""

import numpy as np
from astropy import units as u
from astropy.table import Table

from bayescannon.errors import UserError
from bayescannon.plain import NONE, as_words, plain
from bayescannon.units import Scale, converted, converted_errors, scale_of, written_scale

FILL = 1e20
"""What `filled()` of numpy and astropy writes."""
NINES = np.sort([10.0**n - 10.0**-k for n in range(1, 8) for k in range(5) if n > 1 or k > 1])
"""9.99, 99.9, 999, 9999.99, ...: what surveys write for "none", with either sign."""
SHORT = np.array([9.99, 99.0, 99.9, 999.0])
"""An error of 99 K may be one: these stand for "none" only where all others are far smaller."""
INTEGERS = -(2.0 ** np.array([15, 31, 63]))
"""The smallest integers of FITS, which stand for "none" there."""
HUGE = 1e19
FAR, EXTREME = 5.0, 20.0
"""Robust standard deviations: a 9999 so far out is "none", any other value so far out is told."""


def find(table: Table, *names: str) -> str | None:
    """Give the table's own name of the first of `names` that it has, in any case; else None."""
    for name in names:
        if name in table.colnames:
            return name
        same = [known for known in table.colnames if known.strip().lower() == name.lower()]
        if len(same) > 1:
            raise UserError(f"columns {' and '.join(same)} differ in case only: keep one")
        if same:
            return same[0]
    return None


def need(table: Table, *names: str) -> str:
    """Do as `find`.

    Raises
    ------
    UserError
        If the table has none of the names.
    """
    found = find(table, *names)
    if found is None:
        wanted = f"{names[0]!r}" + "".join(f" (or {name!r})" for name in names[1:])
        raise UserError(f"the table has no column {wanted}; it has: {', '.join(table.colnames)}")
    return found


def words(table: Table, name: str) -> np.ndarray:
    """Read a column of words, (row,), as `as_words` gives them.

    Raises
    ------
    UserError
        If there is no such column, or its rows hold more than one word.
    """
    name = need(table, name)
    return as_words(table[name], f"column {name!r}")


def numbers(table: Table, name: str, unit: u.UnitBase | None = None) -> np.ndarray:
    """Read a column of numbers, (row,), in `unit`; NaN where there is none.

    Parameters
    ----------
    table : Table
    name : str
        In any case.
    unit : astropy unit, optional
        Linear or dex; numbers without a unit have this one. None takes them as they come.

    Raises
    ------
    UserError
        If there is no such column, it holds something else, or its unit cannot be converted.
    """
    return with_errors(table, name, None if unit is None else scale_of(unit))[0]


def with_errors(
    table: Table, name: str, target: Scale | None, written: Scale | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Read a column and its `<name>_err`, (row,) each; NaN where there is none.

    Parameters
    ----------
    table : Table
    name : str
    target : Scale, optional
        What the numbers are wanted in; as they come without.
    written : Scale, optional
        What numbers without a unit are in; `target` without.

    Returns
    -------
    values, errors : ndarray (row,)
        A value of a linear unit is positive, or NaN. An error without a unit has that of its
        value, and one in percent is relative. It may be zero, negative or infinite: whether that
        is an error is for the caller to say.

    Raises
    ------
    UserError
        As for `numbers`.
    """
    name, error_name = need(table, name), find(table, f"{name}_err")
    given = written_scale(_unit(table, name), name, target, written or target)
    raw = _numbers(table, name)
    if given is not None and given.log is None and (written or target or given).log == 1.0:
        raise UserError(f"column {name!r} is in {given.unit}, but a logarithm by its name")
    if target is not None and given is not None:
        raw = converted(raw, given, target, name)
    positive = target is not None and target.log is None  # as temperatures and masses are
    values = np.where(np.isfinite(raw) & ((raw > 0) | (not positive)), raw, np.nan)
    if error_name is None:
        return values, np.full(len(values), np.nan)
    errors = _numbers(table, error_name)
    own = written_scale(_unit(table, error_name), error_name, target or given, given)
    if own is not None:
        errors = converted_errors(errors, own, target or given or own, values, error_name)
    return values, errors


def flag_bits(table: Table, name: str, mask: str) -> tuple[np.ndarray, np.ndarray]:
    """Read a bit mask: its integers, (row,), 0 where it is not known, and whether it is.

    Raises
    ------
    UserError
        If the column holds words or fractions; `mask` is the survey's name of the mask.
    """
    name = need(table, name)
    values = plain(table[name])
    known = ~np.ma.getmaskarray(values)
    data = np.ma.getdata(values)
    if data.dtype.kind not in "iu":
        number = _numbers(table, name, f"integers: the bits of {mask}")
        known = np.isfinite(number)
        data = np.where(known, number, 0.0)
        if (data != np.round(data)).any():
            raise UserError(f"column {name!r} must hold integers: the bits of {mask}")
    data = data.astype(np.int64)
    known &= data != -9999
    return np.where(known, data, 0), known


def extreme(values: np.ndarray) -> np.ndarray:
    """Say which values lie 20 robust standard deviations from the median, bool like `values`."""
    return _far(values, np.isfinite(values), EXTREME)


def _unit(table: Table, name: str) -> u.UnitBase | None:
    return getattr(table[name], "unit", None)


def _numbers(table: Table, name: str, what: str = "one number a star") -> np.ndarray:
    """Numbers as they stand there; NaN for what stands for none; infinities stay."""
    values = plain(table[name])
    if values.ndim > 1 and values.size == len(table):
        values = values.reshape(len(table))
    if values.shape != (len(table),):
        raise UserError(f"column {name!r} must hold {what}, but has shape {values.shape}")
    data, mask = np.ma.getdata(values), np.ma.getmaskarray(values)
    if data.dtype.kind == "U":
        text = np.char.strip(data) if len(data) else data
        mask = mask | np.isin(np.char.lower(text), sorted(NONE))
        data = np.where(mask, "nan", text)
    try:
        out = np.where(mask, np.nan, data.astype(float))
    except (ValueError, TypeError) as error:
        reason = str(error).replace("np.str_", "")
        raise UserError(f"column {name!r} must hold {what} ({reason})") from error
    return np.where(_stands_for_none(out), np.nan, out)


def _stands_for_none(values: np.ndarray) -> np.ndarray:
    """Mark what surveys write for "none"; 9999 is a value where others are like it."""
    size = np.abs(values)
    near = NINES[np.minimum(np.searchsorted(NINES, size * (1 - 1e-6)), len(NINES) - 1)]
    with np.errstate(invalid="ignore"):
        nines = np.abs(size - near) <= 1e-6 * near
        short = nines & (values > 0) & np.isin(near, SHORT)
        odd = nines | np.isin(values, INTEGERS)
        fill = np.abs(size - FILL) <= 1e-6 * FILL
        others = np.isfinite(values) & ~odd & ~fill
        if not others.any():
            return fill | odd
        most = np.abs(values[others]).max()
        odd = (odd & ~short) | (np.isfinite(values) & (size > HUGE))
        return fill | (odd & _far(values, others, FAR)) | (short & (size > EXTREME * most))


def _far(values: np.ndarray, others: np.ndarray, limit: float) -> np.ndarray:
    """Mark values so many robust standard deviations of the others away from their median."""
    if not others.any():
        return np.zeros(values.shape, bool)
    middle = np.median(values[others])
    spread = 1.4826 * np.median(np.abs(values[others] - middle)) or 0.2 * abs(middle)
    with np.errstate(invalid="ignore"):
        return np.abs(values - middle) > limit * spread
