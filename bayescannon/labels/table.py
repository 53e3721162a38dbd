"""Label tables: needed columns, known units, one order. NaN is a label that is not known."""

import os
import warnings
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import Table

from bayescannon.columns import find, need, with_errors, words
from bayescannon.errors import DataWarning, UserError
from bayescannon.star_ids import as_ids, match
from bayescannon.tables import as_table, read_table
from bayescannon.units import Scale, scale_of

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

STATE_WORDS = {
    "rgb": ("rgb", "rgb/agb", "red giant branch", "1"),
    "rc": (
        *("rc", "clump", "red clump", "red-clump", "red_clump", "cheb", "heb", "2cl", "2"),
        *("secondary clump", "rc/2cl", "core-he-burning", "core helium burning"),
    ),
    "": ("", "0", "-1", "-99", "-999", "-9999", "unknown", "unk", "u", "amb", "ambiguous", "?"),
}
"""Evolutionary states as catalogues write them, in lower case: `1` and `2` as APOKASC does; a
shell-burning star (`RGB/AGB`) counts as one of the giant branch."""


def read_labels(path: str | os.PathLike) -> Table:
    """Read a label table: ECSV, CSV, TSV, FITS, VOTable, Parquet; text also compressed.

    Raises
    ------
    UserError
        If the file is missing or no table.
    """
    return read_table(path, what="label table")


def label_arrays(table: Any, names: tuple[str, ...], star_id: Any) -> tuple[np.ndarray, np.ndarray]:
    """Take labels and their errors out of a table, in the order of the stars.

    Parameters
    ----------
    table : Table or data frame
        With `star_id`, a column for each label and, where known, `<name>_err`. For `ln_mass`
        a column `mass` [Msun] will do, for `ln_age` a column `age` [Gyr]. Units are converted
        (an error without one has its label's); what is masked, not finite or a survey's "none"
        (-9999, 99.99, 1e20) is missing.
    names : sequence of str (label,)
        Which labels.
    star_id : array of str (star,)
        Which stars. A further spectrum of star X (`X#2`) takes the labels of X unless the table
        has a row of its own for it.

    Returns
    -------
    labels, errors : ndarray (star, label)
        NaN where the table says nothing.

    Raises
    ------
    UserError
        If a column is missing or has an unusable unit, a star is absent or listed twice, or the
        error of a label that is known is not positive.
    """
    table, star_id = as_table(table), as_ids(star_id)
    rows = _rows(table, star_id)
    labels, errors = np.full((2, len(rows), len(names)), np.nan)
    for i, name in enumerate(names):
        values, sizes = label_column(table, name)
        labels[:, i], errors[:, i] = values[rows], sizes[rows]
        wrong = np.isfinite(labels[:, i]) & ((errors[:, i] <= 0) | np.isinf(errors[:, i]))
        if wrong.any():
            first = int(np.argmax(wrong))
            raise UserError(
                f"the error of label {name!r} is {errors[first, i]:g} for star "
                f"'{star_id[first]}' ({wrong.sum()} in all): give a positive one, or leave it "
                "empty where it is not known"
            )
    return labels, errors


def label_column(table: Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Read one label and its errors, (row,) each, in its unit; NaN where the table says nothing.

    Raises
    ------
    UserError
        If there is no such column, or it has an unusable unit.
    """
    if name not in LOGARITHM_OF:
        unit = UNITS.get(name)
        return with_errors(table, name, None if unit is None else scale_of(unit))
    linear, unit = LOGARITHM_OF[name]
    found = need(table, name, linear)
    logarithm = Scale(unit, 1.0)
    if found.lower() == linear:
        return with_errors(table, found, logarithm, Scale(unit))
    return with_errors(table, found, logarithm)


def evolutionary_states(table: Any, star_id: Any) -> np.ndarray | None:
    """Take `state` or `evstate` out of a table: `rgb`, `rc`, or "" where it says neither.

    Parameters and errors are those of `label_arrays`; None where there is no such column.

    Warns
    -----
    DataWarning
        Of words that are not known (`STATE_WORDS`).
    """
    table = as_table(table)
    name = find(table, "state", "evstate")
    if name is None:
        return None
    return known_states(words(table, name)[_rows(table, as_ids(star_id))])


def known_states(given: np.ndarray) -> np.ndarray:
    """Map words for evolutionary states, (star,), to `rgb`, `rc` or ""; warns of unknown ones."""
    meaning = {word: state for state, words in STATE_WORDS.items() for word in words}
    lower = np.char.lower(np.char.strip(np.asarray(given, str)))
    lower = np.array([word.removesuffix(".0") for word in lower.tolist()], str)
    unknown = sorted(set(lower.tolist()) - set(meaning))
    if unknown:
        warnings.warn(
            f"evolutionary states {', '.join(map(repr, unknown[:9]))} are not known: they count "
            "as no state; write rgb or rc",
            DataWarning,
            stacklevel=2,
        )
    return np.array([meaning.get(word, "") for word in lower.tolist()], "U3")


def _rows(table: Table, star_id: np.ndarray) -> np.ndarray:
    if find(table, "star_id") is None:
        raise UserError("the label table has no column 'star_id': name the stars in it")
    listed = as_ids(table[need(table, "star_id")])
    names, counts = np.unique(listed, return_counts=True)
    if (counts > 1).any():
        twice = names[counts > 1][0]
        raise UserError(f"star_id '{twice}' stands twice in the label table: keep one row a star")
    rows = match(listed, star_id)
    if (rows < 0).any():
        absent = np.asarray(star_id)[rows < 0]
        raise UserError(
            f"{len(absent)} stars of the spectra are not in the label table (first: '{absent[0]}'):"
            " add their rows or leave their spectra out"
        )
    return rows
