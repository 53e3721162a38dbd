"""Stars with places in the Galaxy: those of the run where it has them, or a mock Milky Way."""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from astropy.table import QTable, Table
from jaxtyping import Float

from bayescannon.ages import salaris
from bayescannon.ages.population import age_likelihood, infer_population
from bayescannon.model import AnyModel
from bayescannon.trees import array
from studies.galaxy import absolute_h, extinction_h, galactocentric, photometric_distance
from studies.galaxy.recovery import AGE_PRIOR, Measured, measure, train_by_mock
from studies.galaxy.simulate import CLUMP, make_galaxy
from studies.paper.item import NotHere
from studies.paper.source import Source

CLUMP_SHARE = 2 / 7
"""Of the mock's stars: 20,000 of the paper's 70,000."""
STRIDE = 5
"""Every fifth pixel, as in the demo: what limits a mass is how closely it follows
from carbon and nitrogen, not photons."""
SURE_CLUMP = 0.9
"""Stars of a user's catalogue count as clump stars above this P(rc)."""
FOR_THE_WHOLE = 2000
"""Stars of a sample from which its age distribution is inferred."""


@dataclass(frozen=True)
class Sky:
    """Stars of one sample, as they are mapped.

    Attributes
    ----------
    measured : Measured
    radius, z : ndarray (star,)
        [kpc], from measured distances.
    prior : str
        Age prior of the draws.
    note : str
        What titles must say (`semi-synthetic`).
    seed : int
    model : Model or None
        What the stars were inferred with: its mass scale has an error that all share.
    true_age : ndarray or None
        [Gyr] (star,), of simulated stars.
    """

    measured: Measured
    radius: np.ndarray
    z: np.ndarray
    prior: str
    note: str
    seed: int
    model: AnyModel | None = None
    true_age: np.ndarray | None = None

    def of(self, rows: np.ndarray) -> "Sky":
        """Keep some of the stars."""
        true = None if self.true_age is None else self.true_age[rows]
        places = self.radius[rows], self.z[rows]
        rest = self.prior, self.note, self.seed, self.model, true
        return Sky(self.measured.of(rows), *places, *rest)

    @property
    def feh(self) -> np.ndarray:
        """Posterior means of [Fe/H] [dex]."""
        return self.measured.mean[:, 2]

    @property
    def afe(self) -> np.ndarray:
        """Posterior means of [alpha/Fe] [dex]."""
        return self.measured.mean[:, 3]

    @cached_property
    def likelihood(self) -> Float[np.ndarray, "star bin"]:
        """How likely each star is in each bin of age."""
        return age_likelihood(self.measured.age, self.prior)

    @cached_property
    def whole(self) -> Float[np.ndarray, "bin"]:
        """Mean age distribution of all these stars: the prior under which each is classified."""
        known = np.flatnonzero(self.likelihood.sum(axis=1) > 0)
        some = known[:: max(1, len(known) // FOR_THE_WHOLE)]
        return infer_population(self.likelihood[some], seed=self.seed).weight[0].mean(axis=0)


def sky_of(source: Source, sample: str, most_chi2: float) -> tuple[Sky, int]:
    """Give the stars of `clump` or `giants` below a reduced chi2, and how many are above it.

    Raises
    ------
    NotHere
        If the run has places for its stars but no draws of their ages.
    """
    try:
        placed = {"ra", "dec"} <= set(source.catalog.colnames)
    except NotHere:
        placed = False
    every = _of_catalog(source, sample) if placed else _mock(source.stars, source.seed)[sample]
    good = every.measured.chi2_red < most_chi2
    return every.of(good), int((~good).sum())


@cache
def _mock(stars: int, seed: int) -> dict[str, Sky]:
    """Make stars, train, infer: about a minute for a few thousand stars."""
    clump = min(CLUMP, round(CLUMP_SHARE * stars))
    galaxy = make_galaxy(clump, stars - clump, seed)
    model = train_by_mock(seed, STRIDE)
    found = measure(galaxy, model, stride=STRIDE, seed=seed)
    made: Table = galaxy.stars
    age, radius, z = (np.asarray(made[name]) for name in ("ln_age", "radius", "z"))
    rest = AGE_PRIOR, "semi-synthetic", seed, model, np.exp(age)
    every = Sky(found, radius, z, *rest)
    is_clump = np.asarray(made["sample"]) == "clump"
    return {"clump": every.of(is_clump), "giants": every.of(~is_clump)}


def _of_catalog(source: Source, sample: str) -> Sky:
    table, ages = source.catalog, source.ages
    names = ("teff", "logg", "feh", "afe", "ln_mass")
    mean = np.column_stack([_plain(table, f"{name}_mean") for name in names])
    distance = _distances(table, mean)
    place = galactocentric(_plain(table, "ra"), _plain(table, "dec"), distance)
    draws = array(ages, "posterior/age")
    measured = Measured(
        mean,
        np.column_stack([_plain(table, f"{name}_std") for name in names]),
        draws.reshape(-1, draws.shape[-1]).T,
        _plain(table, "p_rc"),
        _plain(table, "chi2_red"),
        np.asarray(table["flags"]),
    )
    every = Sky(measured, *place, ages.attrs["prior"], source.note, source.seed)
    clump = measured.p_rc > SURE_CLUMP
    return every.of(clump if sample == "clump" else ~clump)


def _distances(table: QTable, mean: np.ndarray) -> np.ndarray:
    """Distance [kpc]: as given, or photometric from `h` and, where it is there, `w2` [mag]."""
    if "distance" in table.colnames:
        return _plain(table, "distance", "kpc")
    if "h" not in table.colnames:
        raise NotHere(
            "its catalogue has ra and dec but neither distance [kpc] nor h [mag]: add one of them"
        )
    h = _plain(table, "h")
    dust = extinction_h(h, _plain(table, "w2")) if "w2" in table.colnames else 0.0
    teff, logg, feh, afe, ln_mass = mean.T
    return photometric_distance(h, absolute_h(teff, logg, salaris(feh, afe), ln_mass), dust)


def _plain(table: QTable, name: str, unit: str | None = None) -> np.ndarray:
    column = table[name]
    if unit is not None and getattr(column, "unit", None) is not None:
        column = column.to(unit)
    return np.asarray(getattr(column, "value", column), float)
