"""The training set: spectra, a survey's labels and seismic masses of the same stars, joined."""

import os
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from astropy import units as u
from astropy.table import Table

from bayescannon.columns import find, numbers, with_errors, words
from bayescannon.errors import UserError
from bayescannon.labels.seismic import seismic_mass
from bayescannon.labels.selection import CUTS, training_cuts
from bayescannon.spectra import Spectra, read_all_star
from bayescannon.star_ids import key_of, match, star_of
from bayescannon.tables import as_table, naming, read_table
from bayescannon.units import scale_of

IDS = {
    "APOGEE id": ("APOGEE_ID", "star_id", "SDSS4_APOGEE_ID", "2MASS_ID", "TMASS_ID", "2MASS"),
    "SDSS id": ("SDSS_ID",),
    "KIC": ("KIC", "KIC_ID", "KEPLER_ID", "KEPID"),
}
"""Kinds of names, and the columns that hold them, in any case."""
MEASURED = {
    "numax": (u.uHz, ("numax", "nu_max", "numax_cat")),
    "dnu": (u.uHz, ("dnu", "delta_nu", "deltanu", "d_nu")),
    "mass": (u.Msun, ("mass", "mass_cor", "seismic_mass", "mass_apokasc2", "m")),
}
"""Unit and names of what seismologists list, in any case."""
ERRORS = ("{}_err", "e_{}", "{}_error", "{}_sigma", "sig_{}", "err_{}")
SIDES = ("{}_errp", "{}_errm"), ("{}_err_up", "{}_err_low"), ("{}_errup", "{}_errlo")
STATE = ("state", "evstate", "evol_state", "cons_evstates")
CORRECTIONS = {"correct_numax": "f_numax", "correct_dnu": "f_dnu"}
"""Factors to multiply the measured frequencies by, star by star, where a table gives them."""


class TrainingSet(NamedTuple):
    """What `train` takes, and what became of the stars on the way."""

    spectra: Spectra
    labels: Table
    cuts: Table
    """As `training_cuts` reports: what each cut removed."""
    counts: dict[str, int]
    """How many stars were left after each step of the join."""


def training_set(
    spectra: Spectra,
    all_star: Any,
    seismic: Any = None,
    cuts: Iterable[str] = tuple(CUTS),
) -> TrainingSet:
    """Join spectra with a survey's labels and with seismic masses of the same stars.

    Parameters
    ----------
    spectra : Spectra
    all_star : path or table
        An allStar table of any release, or a table with such columns: labels, errors, flags.
    seismic : path or table, optional
        Names of stars and `mass` [Msun]; without a mass `numax` and `dnu` [uHz], from which
        `seismic_mass` takes it, with the factors `f_numax`, `f_dnu` where the table has them.
        Errors and evolutionary states where it has them.
    cuts : iterable of str
        Names of `training_cuts` to apply, by default all.

    Returns
    -------
    TrainingSet
        Spectra and labels of the same stars, in the order of the spectra; what was cut.

    Raises
    ------
    UserError
        If a table is none, lacks a column, names no star or one star twice, or if no star is
        left.

    Notes
    -----
    Stars are matched by APOGEE id, SDSS id or KIC number, whichever finds the most of them,
    whatever the case, the padding and the prefix (`2M`, `2MASS J`, `KIC`).
    """
    survey = read_all_star(all_star)
    place = _places(_ids(Table(_named(spectra))), _ids(survey), "the spectra", _called(all_star))
    counts = {"spectra": len(spectra), "in the survey's table": int((place >= 0).sum())}
    chosen = np.flatnonzero(place >= 0)
    labels = survey[place[chosen]]
    names = spectra.star_id[chosen]
    if seismic is not None:
        known = _read_seismic(seismic)
        rows = _places(_ids(labels), _ids(known), _called(all_star), _called(seismic))
        found = rows >= 0
        chosen, labels, names = chosen[found], labels[found], names[found]
        for name in known.colnames:
            if name not in labels.colnames:
                labels[name] = known[name][rows[found]]
        labels = _with_mass(labels)
        counts["with seismology"] = len(labels)
    labels["star_id"] = names
    keep, report = training_cuts(labels, cuts)
    counts["after the cuts"] = int(keep.sum())
    if not keep.any():
        worst = report[int(np.argmax(report["removed"].filled(-1)))]
        raise UserError(
            f"no star passes the cuts; '{worst['cut']}' ({worst['criterion']}) removes "
            f"{worst['removed']} of {len(keep)}: choose cuts by name"
        )
    return TrainingSet(spectra[chosen[keep]], labels[keep], report, counts)


def _named(spectra: Spectra) -> dict[str, np.ndarray]:
    known = {"sdss_id": spectra.column("sdss_id")} if "sdss_id" in spectra.column_names else {}
    return {"star_id": spectra.star_id} | known


def _called(table: Any) -> str:
    return os.fspath(table) if isinstance(table, str | os.PathLike) else type(table).__name__


def _ids(table: Table) -> dict[str, np.ndarray]:
    """Names of the stars in the form in which they are compared, (row,), by kind of name."""
    found = {kind: find(table, *names) for kind, names in IDS.items()}
    return {
        kind: np.array([key_of(word) for word in words(table, name).tolist()], str)
        for kind, name in found.items()
        if name is not None
    }


def _places(wanted: dict, listed: dict, what: str, where: str) -> np.ndarray:
    """Row of `listed` for each star that is wanted, by the kind of name that finds the most."""
    tried = {}
    for kind in [kind for kind in wanted if kind in listed]:
        rows = match(listed[kind], wanted[kind])
        tried[kind] = np.where(wanted[kind] == "", -1, rows)
    if not any((rows >= 0).any() for rows in tried.values()):
        by = " or ".join(tried) or "any name: they share no kind of id column"
        raise UserError(f"{where}: holds no star of {what}, by {by}")
    return max(tried.values(), key=lambda rows: (rows >= 0).sum())


def _read_seismic(given: Any) -> Table:
    """Names, measurements with errors, mass and state of a seismic table, by our names."""
    is_path = isinstance(given, str | os.PathLike)
    keys = [name for names in IDS.values() for name in names]
    table = read_table(given, keys, what="seismic table") if is_path else as_table(given)
    with naming(_called(given)):
        return _by_our_names(table)


def _by_our_names(table: Table) -> Table:
    out = Table()
    for kind, names in IDS.items():
        if (name := find(table, *names)) is not None:
            out[IDS[kind][0]] = words(table, name)
    if not out.colnames:
        wanted = ", ".join(names[0] for names in IDS.values())
        raise UserError(f"has no column that names stars ({wanted}); it has: {table.colnames}")
    for kind, keys in _ids(out).items():
        stars, times = np.unique([star_of(key) for key in keys if key], return_counts=True)
        if len(stars) and times.max() > 1:
            twice = stars[np.argmax(times)]
            raise UserError(f"{kind} {twice} stands {times.max()} times: keep one row a star")
    for ours, (unit, names) in MEASURED.items():
        if (name := find(table, *names)) is not None:
            out[ours], out[f"{ours}_err"] = _measured(table, name, unit)
    for factor in CORRECTIONS.values():
        if (name := find(table, factor)) is not None:
            out[factor] = numbers(table, name)
    if (name := find(table, *STATE)) is not None:
        out["state"] = words(table, name)
    if "mass" not in out.colnames and not {"numax", "dnu"} <= set(out.colnames):
        raise UserError("has neither a column 'mass' nor both 'numax' and 'dnu'")
    return out


def _measured(table: Table, name: str, unit: u.UnitBase) -> tuple[np.ndarray, np.ndarray]:
    """A measurement and its error, (row,) each; of two-sided errors the mean of both."""
    error = find(table, *(form.format(name) for form in ERRORS))
    forms = ((error,),) if error else [tuple(f.format(name) for f in both) for both in SIDES]
    sizes = []
    for names in forms:
        known = [find(table, one) for one in names]
        if all(known):
            for one in known:
                pair = Table({name: table[name], f"{name}_err": table[one]}, copy=False)
                sizes.append(np.abs(with_errors(pair, name, scale_of(unit))[1]))
            break
    values, none = with_errors(Table({name: table[name]}), name, scale_of(unit))
    return values, np.mean(sizes, axis=0) if sizes else none


def _with_mass(labels: Table) -> Table:
    """Add the mass that numax, dnu and Teff give, where the table has none of its own."""
    if "mass" in labels.colnames or not {"numax", "dnu"} <= set(labels.colnames):
        return labels
    factors = {
        which: lambda table, name=name: np.asarray(table[name], float)
        for which, name in CORRECTIONS.items()
        if name in labels.colnames
    }
    labels["mass"], labels["mass_err"] = seismic_mass(labels, **factors)
    return labels
