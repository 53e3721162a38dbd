"""The stars that Ness et al. (2016, Section 4) give ages to: like the training set, or why not."""

from typing import Any, NamedTuple

import numpy as np
from astropy import units as u
from astropy.table import Table

from bayescannon.columns import find, numbers
from bayescannon.errors import UserError, plural
from bayescannon.labels.cuts import CUTS
from bayescannon.labels.mixture import Mixture
from bayescannon.labels.population import fit_population
from bayescannon.star_ids import as_ids
from bayescannon.tables import as_table

BOX = ("teff", "logg", "feh", "afe")
"""Cuts of `labels.cuts.CUTS` that make the box of the training labels."""
SOLAR_C, SOLAR_N = 8.39, 7.78
"""log eps of the Sun on ASPCAP's scale (Grevesse, Asplund & Sauval 2007, SSRv 130, 105)."""
INSIDE = 0.95
"""Share of the training stars that the region holds: the paper does not say; 10 % of its stars lay
outside a region that it does not define."""


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
