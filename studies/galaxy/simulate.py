"""A mock Milky Way at the scale of the paper: places, ages, abundances and spectra, all known.

SEMI-SYNTHETIC. Clump stars stand at the real places in the sky of the DR12 red-clump sample. Two
discs are mixed at each place: a low-alpha one, thin while young and flaring outwards, and an old,
thick high-alpha one. A star's age and abundances follow from its place, its mass from its age
through the isochrones; Teff and log g are those of a mock star of that mass and those abundances,
and carbon and nitrogen follow from all of them as in `make_mock`.
"""

from typing import NamedTuple

import numpy as np
from astropy.table import Table, vstack
from scipy.spatial import KDTree

from bayescannon.ages import Parsec, salaris
from bayescannon.ages.grid import State
from bayescannon.ages.interpolation import evaluate
from bayescannon.data import clump_ids
from bayescannon.keys import star_generator
from bayescannon.simulate.giants import SMOOTHING, STATES, Giants
from bayescannon.simulate.stars import real_giants, simulate_spectra
from bayescannon.spectra import Spectra
from studies.ages.check import draw_masses
from studies.galaxy import absolute_h, coordinates_of_id, galactocentric, photometric_distance

_GRID_NAME: dict[str, State] = {"RC": "rc", "RGB": "rgb"}
CLUMP, GIANTS = 19_937, 50_000
"""Stars of the paper's two samples; that many clump stars have a place in the sky."""
DISTANCE_ERROR = {"clump": 0.05, "giants": 0.30}
"""Random error of ln distance (Ness et al. 2016, section 4)."""
H_BRIGHT = 7.0
H_FAINT, H_FAINT_SHARE = np.array([12.2, 12.8, 13.3]), np.array([0.6, 0.3, 0.1])
"""APOGEE's limits in H for short, medium and long fields (Zasowski et al. 2013), and our shares.
There is no dust in the mock."""
CLUMP_SPREAD = 0.1
"""Scatter of the clump's H magnitude [mag]."""
FIELD = 0.7
"""Giants stand around clump stars with this scatter in RA cos(Dec) and Dec [deg]."""
SUN_RADIUS = 8.1  # [kpc]
AGES = 0.5, 10.5, 13.0
"""Youngest star, oldest low-alpha star, oldest star [Gyr]."""
POOL = 100_000
ALIKE = np.array([0.08, 0.10, 0.04, 0.04])
"""Differences in log g, [Fe/H], [alpha/Fe] and ln mass that count alike when Teff is looked up."""


class MockGalaxy(NamedTuple):
    """The stars, and their spectra on demand."""

    stars: Table
    """star_id, sample (`clump`, `giants`), ra, dec [deg]; radius, z [kpc] as measured; the truth:
    distance_true, radius_true, z_true, teff, logg, feh, afe, ln_mass, ln_age, c_m, n_m, state,
    low_alpha; snr."""
    residual: np.ndarray
    """(star, 2): residuals of [C/M] and [N/M]."""
    seed: int

    def spectra(self, rows: slice) -> Spectra:
        """Make the spectra of some stars; the same ones whichever the others are."""
        part = self.stars[rows]
        star_id = np.asarray(part["star_id"], str)
        labels = np.column_stack([np.asarray(part[n]) for n in ("teff", "logg", "feh", "afe")])
        rng = [star_generator(self.seed, name) for name in star_id]
        return simulate_spectra(star_id, labels, self.residual[rows], np.asarray(part["snr"]), rng)


class Pool(NamedTuple):
    """Mock stars whose Teff and log g are lent to others."""

    labels: np.ndarray
    ln_mass: np.ndarray
    state: np.ndarray

    def of(self, state: str) -> "Pool":
        """Keep those of one state."""
        here = self.state == state
        return Pool(*(a[here] for a in self))


def make_galaxy(clump: int = CLUMP, giants: int = GIANTS, seed: int = 0) -> MockGalaxy:
    """Make the stars of a mock Milky Way.

    Parameters
    ----------
    clump : int
        Red-clump stars, at most 19,937; fewer are a random choice. All burn helium.
    giants : int
        Giants of either state, as the labels have it.
    seed : int
        Decides everything; also part of the star ids.

    Returns
    -------
    MockGalaxy
    """
    rng = np.random.default_rng(seed)
    ids = clump_ids()
    ra, dec = coordinates_of_id(ids)
    chosen = np.sort(rng.permutation(len(ids))[:clump])
    names = [f"mock-{seed}-{name}" for name in ids[chosen]]
    parts = [_sample("clump", names, ra[chosen], dec[chosen], rng)]
    near = rng.integers(len(ids), size=giants)
    moved = np.clip(dec[near] + FIELD * rng.normal(size=giants), -90, 90)
    around = FIELD * rng.normal(size=giants) / np.maximum(np.cos(np.radians(moved)), 0.01)
    names = [f"mock-{seed}-giant-{i:06d}" for i in range(giants)]
    parts.append(_sample("giants", names, (ra[near] + around) % 360, moved, rng))
    stars = vstack([part for part, _ in parts], metadata_conflicts="silent")
    stars.meta["comment"] = "semi-synthetic: made by bayescannon, not observed"
    return MockGalaxy(stars, np.concatenate([residual for _, residual in parts]), seed)


def _sample(name: str, star_id, ra, dec, rng: np.random.Generator) -> tuple[Table, np.ndarray]:
    """Give the stars of one sample: their table, and residuals of [C/M], [N/M]."""
    real = real_giants()
    pool = _draw_pool(real, POOL, rng)
    if name == "clump":
        pool = pool.of("RC")
    like = rng.integers(len(pool.state), size=len(star_id))
    state, logg = pool.state[like], pool.labels[like, 1]
    magnitude = absolute_h(
        pool.labels[like, 0], logg, salaris(*pool.labels[like, 2:].T), pool.ln_mass[like]
    )
    if name == "clump" and len(like):  # its stars have one luminosity, whatever their log g says
        magnitude = np.mean(magnitude) + CLUMP_SPREAD * rng.normal(size=len(like))
    distance = _distances(ra, dec, magnitude, rng)
    radius, z = galactocentric(ra, dec, distance)
    x, low_alpha = _ages(radius, z, state, rng)
    feh, afe = _abundances(10**x, low_alpha, radius, real, rng)
    ln_mass = np.log(10) * _masses(x, salaris(feh, afe), logg, state, rng)
    labels = _surface(pool, state, logg, feh, afe, ln_mass)
    residual = _carbon_nitrogen(real, labels, state, ln_mass, rng)
    measured = distance * np.exp(DISTANCE_ERROR[name] * rng.normal(size=len(distance)))
    stars = Table({"star_id": np.array(star_id, str), "sample": np.full(len(star_id), name)})
    seen = galactocentric(ra, dec, measured)
    columns = {"ra": ra, "dec": dec, "distance": measured, "radius": seen[0], "z": seen[1]}
    columns |= {"distance_true": distance, "radius_true": radius, "z_true": z}
    columns |= dict(zip(("teff", "logg", "feh", "afe"), labels.T, strict=True))
    columns |= {"ln_mass": ln_mass, "ln_age": np.log(10) * x}
    columns |= dict(zip(("c_m", "n_m"), real.abundances(labels, residual).T, strict=True))
    columns |= {"state": state, "low_alpha": low_alpha}
    columns["snr"] = rng.choice(real.snr, size=len(star_id))
    for key, values in columns.items():
        stars[key] = values
    return stars, residual


def _draw_pool(real: Giants, n: int, rng: np.random.Generator) -> Pool:
    """Draw many stars at once, as `Giants.draw` does one."""
    low, high = real.labels.min(axis=0), real.labels.max(axis=0)
    centre, shrink = real.labels.mean(axis=0), np.sqrt(1 - SMOOTHING**2)
    chosen = real.labels[rng.integers(len(real.labels), size=n)]
    labels = centre + shrink * (chosen - centre) + rng.normal(size=(n, 4)) @ real.kernel.T
    v = real.features(labels)
    rc = rng.uniform(size=n) < 1.0 / (1.0 + np.exp(-v @ real.log_odds))
    state, white = np.where(rc, *STATES), rng.normal(size=n)
    ln_mass = np.empty(n)
    for name in STATES:
        here = state == name
        ln_mass[here] = (v @ real.slope[name][:, 0] + real.root[name][0, 0] * white)[here]
    kept = ((labels >= low) & (labels <= high)).all(axis=1)
    kept &= (ln_mass >= real.ln_mass.min()) & (ln_mass <= real.ln_mass.max())
    if kept.sum() == n or n == 0:
        return Pool(labels, ln_mass, state)
    first, rest = (labels[kept], ln_mass[kept], state[kept]), _draw_pool(real, n - kept.sum(), rng)
    return Pool(*(np.concatenate(both) for both in zip(first, rest, strict=True)))


def _carbon_nitrogen(real: Giants, labels, state, ln_mass, rng: np.random.Generator) -> np.ndarray:
    """Draw residuals of ([C/M], [N/M]) (star, 2) of stars whose mass is given."""
    v = real.features(labels)
    residual = np.empty((len(labels), 2))
    for name, root in real.root.items():
        here = state == name
        mean = v[here] @ real.slope[name]
        from_mass = (ln_mass[here] - mean[:, 0]) / root[0, 0]
        white = np.column_stack([from_mass, rng.normal(size=(here.sum(), 2))])
        residual[here] = mean[:, 1:] + white @ root[1:].T
    return residual


def _distances(ra, dec, magnitude, rng: np.random.Generator) -> np.ndarray:
    """Draw distances [kpc] along each line of sight from a smooth disc, inside the limits in H."""
    faint = rng.choice(H_FAINT, size=len(ra), p=H_FAINT_SHARE)
    near, far = (photometric_distance(h, magnitude) for h in (H_BRIGHT, faint))
    share = np.linspace(0, 1, 64)[:, None]
    distance = near * (far / near) ** share
    radius, z = galactocentric(ra, dec, distance)
    thin, thick = (np.exp(-np.abs(z) / height) for height in (0.3, 0.9))
    density = np.exp(-(radius - SUN_RADIUS) / 2.7) * (thin + 0.12 * thick)
    chosen = _choose((distance**3 * density).T, rng)
    return near * (far / near) ** (chosen / (len(share) - 1))


def _choose(weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a place on the axis of each row of weights (star, node), as a real number of nodes."""
    cumulative = np.cumsum(weight, axis=1)
    level = rng.uniform(size=len(weight)) * cumulative[:, -1]
    node = (cumulative < level[:, None]).sum(axis=1)
    return np.clip(node + rng.uniform(-0.5, 0.5, size=len(weight)), 0, weight.shape[1] - 1)


def _ages(radius, z, state, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """log10 age / Gyr, and whether in the low-alpha disc, at each place."""
    nodes = np.linspace(np.log10(AGES[0]), np.log10(AGES[2]), 96)
    age = 10**nodes
    out, height = radius[:, None] - SUN_RADIUS, np.abs(z)[:, None]
    flare = (0.12 + 0.05 * age) * np.exp(out / 9)
    thin = age * (age < AGES[1]) * np.exp(-out / (4.2 - 0.2 * age) - height / flare) / flare
    thick = np.exp(-0.5 * ((age - 9.8) / 1.3) ** 2 - out / 2.0 - height / 0.9) * age / 0.9
    grid = Parsec.default()
    weight = np.empty((len(radius), 2 * len(nodes)))
    for name in STATES:
        here, table = state == name, grid.table("log_number", _GRID_NAME[name])
        living = np.exp(np.asarray(evaluate(table, nodes, 0.0, 2.5)))
        weight[here] = np.concatenate([thin * living, thick * living], axis=1)[here]
    chosen = _choose(weight, rng)
    low_alpha = chosen < len(nodes) - 0.5
    place = np.clip(np.where(low_alpha, chosen, chosen - len(nodes)), 0, len(nodes) - 1)
    return np.interp(place, np.arange(len(nodes)), nodes), low_alpha


def _abundances(age, low_alpha, radius, real: Giants, rng: np.random.Generator):
    """[Fe/H] and [alpha/Fe] of each star, inside the range of the real giants.

    Low alpha: a gradient of -0.065 dex/kpc at the radius of birth, which stars leave by
    1.1 kpc sqrt(age / 5 Gyr); high alpha: none, [alpha/Fe] falls with [Fe/H].
    """
    (low, high), n = (real.labels[:, 2:].min(axis=0), real.labels[:, 2:].max(axis=0)), len(age)
    found, missing = np.empty((n, 2)), np.ones(n, bool)
    for _ in range(20):
        birth = radius + 1.1 * np.sqrt(age / 5) * rng.normal(size=n)
        thin = 0.04 - 0.065 * (birth - SUN_RADIUS) - 0.012 * (age - 4) + 0.05 * rng.normal(size=n)
        thick = -0.35 - 0.06 * (age - 9.8) + 0.18 * rng.normal(size=n)
        feh = np.where(low_alpha, thin, thick)
        thin = 0.03 - 0.10 * feh + 0.006 * (age - 4) + 0.02 * rng.normal(size=n)
        thick = 0.19 - 0.13 * (feh + 0.35) + 0.01 * (age - 9.8) + 0.025 * rng.normal(size=n)
        drawn = np.column_stack([feh, np.where(low_alpha, thin, thick)])
        found[missing] = drawn[missing]
        missing &= ((drawn < low) | (drawn > high)).any(axis=1)
        if not missing.any():
            break
    return np.clip(found, low, high).T


def _masses(x, mh, logg, state, rng: np.random.Generator) -> np.ndarray:
    """Current log10 mass through the isochrones."""
    grid = Parsec.default()
    mh = np.clip(mh, grid.mh[0], grid.mh[-1])
    log_mass = np.empty(len(x))
    for name in STATES:
        here = state == name
        if here.any():
            given = x[here], mh[here], logg[here]
            log_mass[here] = draw_masses(grid, _GRID_NAME[name], *given, rng)
    return log_mass


def _surface(pool: Pool, state, logg, feh, afe, ln_mass) -> np.ndarray:
    """Labels (star, 4), with Teff of the pool's most similar star; a clump star's log g, too.

    A clump star's log g follows from its mass; a star on the branch keeps its own.
    """
    labels = np.column_stack([np.empty_like(logg), logg, feh, afe])
    for name in STATES:
        here, lent = state == name, pool.of(name)
        known = slice(1 if name == "RC" else 0, None)
        theirs = np.column_stack([lent.labels[:, 1:], lent.ln_mass])
        ours = np.column_stack([logg, feh, afe, ln_mass])[here]
        if here.any():
            tree = KDTree((theirs / ALIKE)[:, known])
            _, nearest = tree.query((ours / ALIKE)[:, known])
            labels[here, : 2 if name == "RC" else 1] = lent.labels[
                nearest, : 2 if name == "RC" else 1
            ]
    return labels
