"""The training cuts of Ness et al. (2016, Section 2.2.1) by name, and what each one removes."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from astropy import units as u
from astropy.table import MaskedColumn, Table

from bayescannon.columns import find, flag_bits, numbers, with_errors
from bayescannon.errors import UserError
from bayescannon.labels.table import label_column
from bayescannon.spectra import AspcapFlag
from bayescannon.tables import as_table
from bayescannon.units import scale_of

ROTATION = AspcapFlag["ROTATION_WARN"] | AspcapFlag["ROTATION_BAD"]
"""The rotation flag: the paper names none; these two bits of ASPCAPFLAG are the survey's."""


class Cut(NamedTuple):
    """One cut: the columns it needs, what it asks for in words, and which stars pass."""

    columns: tuple[str, ...]
    criterion: str
    passes: Callable[[Table], np.ndarray]


def _larger(name: str, limit: float) -> Cut:
    return Cut((name,), f"{name} > {limit:g}", lambda table: numbers(table, name) > limit)


def _precise(name: str, limit: float) -> Cut:
    def passes(table: Table) -> np.ndarray:
        value, error = with_errors(table, name, scale_of(u.uHz))
        return (error >= 0) & (error < limit * value)

    return Cut((name, f"{name}_err"), f"{name}_err / {name} < {limit:g}", passes)


def _within(name: str, low: float, high: float) -> Cut:
    def passes(table: Table) -> np.ndarray:
        value, _ = label_column(table, name)
        return (value >= low) & (value <= high)

    return Cut((name,), f"{low:g} <= {name} <= {high:g}", passes)


def _without(bits: int | None, criterion: str) -> Cut:
    def passes(table: Table) -> np.ndarray:
        raised, known = flag_bits(table, "aspcap_flags", "ASPCAPFLAG")
        # a mask of -1 has every bit; DR12 itself wrote bit 31 as a minus sign
        return ((raised & np.int64(-1 if bits is None else bits)) == 0) & known

    return Cut(("aspcap_flags",), criterion, passes)


CUTS = {
    "snr": _larger("snr", 80.0),
    "numax_err": _precise("numax", 0.1),
    "dnu_err": _precise("dnu", 0.1),
    "aspcap_flags": _without(None, "no bit of ASPCAPFLAG"),
    "rotation": _without(int(ROTATION), "no rotation bit of ASPCAPFLAG"),
    "teff": _within("teff", 4054.0, 5120.0),
    "logg": _within("logg", 1.35, 3.3),
    "feh": _within("feh", -0.85, 0.3),
    "afe": _within("afe", -0.03, 0.3),
}
"""The cuts of Section 2.2.1, and the ranges of the training labels (Section 4), by name."""


def training_cuts(table: Any, names: Iterable[str] = tuple(CUTS)) -> tuple[np.ndarray, Table]:
    """Apply the paper's training cuts and count what each one removes.

    Parameters
    ----------
    table : Table or data frame
        A row a star: `snr`, `numax` and `dnu` [uHz] with `_err`, `aspcap_flags` (bits of
        ASPCAPFLAG, as `read_all_star` gives them) and the labels `teff` [K], `logg`, `feh`,
        `afe` [dex]. Other units are converted. A star whose value is missing does not pass.
    names : iterable of str
        Which cuts, in which order; by default all, in the order of `labels.cuts.CUTS`.

    Returns
    -------
    keep : ndarray of bool (star,)
        Stars that pass all cuts that were applied.
    report : Table
        A row a cut: `cut`, `criterion`, `removed` (of the stars that the rows above left),
        `alone` (of all stars), `left`, and `not_applied`: empty, or the columns that the table
        lacks. Such a cut removes nothing, and its three numbers are masked.

    Raises
    ------
    UserError
        If a name is no cut, or a column has an unusable unit or holds no numbers.

    Notes
    -----
    Ness et al. (2016), Section 2.2.1: S/N > 80, errors of numax and dnu below 10 %, no warning
    or error in ASPCAPFLAG, no rotation flag. Limits of ranges are kept: the coolest and the
    hottest star of the paper stand on them.
    """
    table = as_table(table)
    keep = np.ones(len(table), bool)
    rows = []
    for name in names:
        if name not in CUTS:
            raise UserError(f"{name!r} is no training cut; there are: {', '.join(CUTS)}")
        cut = CUTS[name]
        missing = [column for column in cut.columns if find(table, column) is None]
        if missing:
            rows.append((name, cut.criterion, 0, 0, 0, f"no column {', '.join(missing)}"))
            continue
        passes = cut.passes(table)
        removed, alone = int(np.sum(keep & ~passes)), int(np.sum(~passes))
        keep &= passes
        rows.append((name, cut.criterion, removed, alone, int(keep.sum()), ""))
    return keep, _report(rows)


def _report(rows: list[tuple]) -> Table:
    heads = ("cut", "criterion", "removed", "alone", "left", "not_applied")
    kinds = (str, str, int, int, int, str)
    report = Table(rows=rows or None, names=heads, dtype=kinds)
    skipped = np.asarray(report["not_applied"], str) != ""
    for name in ("removed", "alone", "left"):
        report[name] = MaskedColumn(report[name], mask=skipped)
    return report
