"""The stars that Ness et al. (2016) take: by name, the cuts of training; and who gets an age."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from astropy import units as u
from astropy.table import MaskedColumn, Table

from bayescannon.columns import find, flag_bits, numbers, with_errors
from bayescannon.errors import UserError, plural
from bayescannon.labels.mixture import Mixture
from bayescannon.labels.population import fit_population
from bayescannon.labels.table import label_column
from bayescannon.spectra import AspcapFlag
from bayescannon.star_ids import as_ids
from bayescannon.tables import as_table
from bayescannon.units import scale_of

ROTATION = AspcapFlag["ROTATION_WARN"] | AspcapFlag["ROTATION_BAD"]
"""The rotation flag: the paper names none; these two bits of ASPCAPFLAG are the survey's."""
BOX = ("teff", "logg", "feh", "afe")
"""Cuts of `CUTS` that make the box of the training labels."""
SOLAR_C, SOLAR_N = 8.39, 7.78
"""log eps of the Sun on ASPCAP's scale (Grevesse, Asplund & Sauval 2007, SSRv 130, 105)."""
INSIDE = 0.95
"""Share of the training stars that the region holds: the paper does not say; 10 % of its stars lay
outside a region that it does not define."""


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
        Which cuts, in which order; by default all, in the order of `labels.selection.CUTS`.

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


def carbon_and_nitrogen(c_m: np.ndarray, n_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give [C/N] and [(C+N)/M] of [C/M] and [N/M], all (star,) [dex]."""
    carbon, nitrogen = 10.0**SOLAR_C, 10.0**SOLAR_N
    both = (carbon * 10.0**c_m + nitrogen * 10.0**n_m) / (carbon + nitrogen)
    return c_m - n_m, np.log10(both)


class CarbonNitrogenRegion(NamedTuple):
    """Where [C/N] and [(C+N)/M] of training stars lie at a given [Fe/H]: a contour of density."""

    middle: np.ndarray
    spread: np.ndarray
    density: Mixture
    """Of ([Fe/H], [C/N], [(C+N)/M]), each less `middle` and over `spread`."""
    lowest: float
    """Log density of the abundances, given [Fe/H], on the contour."""

    @classmethod
    def fit(cls, training: Any) -> "CarbonNitrogenRegion":
        """Draw the contour that holds 95 % of the training stars.

        Parameters
        ----------
        training : Table or data frame
            `feh`, `c_m`, `n_m` [dex]; stars without one of them are left out.

        Raises
        ------
        UserError
            If a column is missing, or fewer than 50 stars have all three.
        """
        points = _points(training)
        points = points[np.isfinite(points).all(axis=1)]
        if len(points) < 50:
            raise UserError(
                f"{plural(len(points), 'star')} with feh, c_m and n_m: a region needs 50"
            )
        middle, spread = points.mean(axis=0), points.std(axis=0)
        scaled = (points - middle) / spread
        density = fit_population(scaled, np.zeros_like(scaled))
        region = cls(middle, spread, density, -np.inf)
        return region._replace(lowest=float(np.quantile(region.log_density(points), 1 - INSIDE)))

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Log density of ([C/N], [(C+N)/M]) given [Fe/H] at points (star, 3); NaN stays NaN."""
        scaled = (points - self.middle) / self.spread
        weight, mean, covariance = self.density.weight, self.density.mean, self.density.covariance
        of_feh = Mixture(weight, mean[:, :1], covariance[:, :1, :1])
        return np.asarray(self.density.log_prob(scaled.T) - of_feh.log_prob(scaled[:, :1].T))

    def holds(self, table: Any) -> np.ndarray:
        """Say which stars of a table with `feh`, `c_m`, `n_m` lie inside, bool (star,)."""
        return self.log_density(_points(table)) >= self.lowest


def paper_selection(table: Any, region: CarbonNitrogenRegion | None = None) -> Table:
    """Say for each star whether the paper's selection takes it, and if not, why.

    Parameters
    ----------
    table : Table or data frame
        `star_id`; `teff` [K], `logg`, `feh`, `afe` [dex], or, as in our catalogues, `teff_q50` and
        so on; with a region `c_m` and `n_m` [dex] as well (`read_all_star` has them).
    region : CarbonNitrogenRegion, optional
        Without it only the box of labels selects.

    Returns
    -------
    Table
        `star_id`, `selected` (bool), `why_not` (names of the cuts that a star fails, by comma:
        `teff`, `logg`, `feh`, `afe`, `carbon_nitrogen`; a missing value fails). No star is removed.

    Raises
    ------
    UserError
        If a column is missing or has an unusable unit.

    Notes
    -----
    Box: 4054-5120 K, 1.35-3.3, -0.85-0.30, -0.03-0.30 (Ness et al. 2016, Section 4). The paper does
    not define its region of [C/N] and [(C+N)/M]; ours is a contour of the training set's density
    of both at the star's [Fe/H]. Cuts in chi2 are columns and flags of the catalogue.
    """
    table = as_table(table)
    needed = BOX if region is None else (*BOX, "c_m", "n_m")
    plain = Table({name: table[_column(table, name)] for name in ("star_id", *needed)}, copy=False)
    passes = {name: CUTS[name].passes(plain) for name in BOX}
    if region is not None:
        passes["carbon_nitrogen"] = region.holds(plain)
    why_not = [
        ",".join(name for name, passed in zip(passes, star, strict=True) if not passed)
        for star in zip(*passes.values(), strict=True)
    ]
    return Table(
        {
            "star_id": as_ids(plain["star_id"]),
            "selected": np.logical_and.reduce(list(passes.values())),
            "why_not": np.array(why_not, str),
        }
    )


def _column(table: Table, name: str) -> str:
    found = find(table, name, f"{name}_q50")
    if found is None:
        raise UserError(f"the selection needs a column {name!r} (or '{name}_q50')")
    return found


def _points(table: Any) -> np.ndarray:
    feh, c_m, n_m = (numbers(as_table(table), name, u.dex) for name in ("feh", "c_m", "n_m"))
    return np.column_stack([feh, *carbon_and_nitrogen(c_m, n_m)])
