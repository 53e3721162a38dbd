"""Places and distances, the mock Milky Way, ages of samples of stars, and maps of them.

Bounds on shares are from 3.3 binomial errors; seeds are fixed, and each fails on about one seed in
a thousand.
"""

from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import Galactocentric, SkyCoord, galactocentric_frame_defaults
from hypothesis import given, settings
from hypothesis import strategies as st

import bayescannon as bc
from bayescannon.ages.population import EDGES, age_likelihood, infer_population, share_younger
from bayescannon.data import absolute_magnitude, apokasc, clump_ids, model_path
from bayescannon.posterior.result import as_posterior
from studies.galaxy import (
    absolute_h,
    age_map,
    coordinates_of_id,
    extinction_h,
    galactocentric,
    photometric_distance,
    sort_into_cells,
)
from studies.galaxy.recovery import Measured
from studies.galaxy.simulate import make_galaxy
from studies.paper import maps, sky
from studies.paper.bins import fig7
from studies.paper.item import NotHere
from studies.paper.source import Source

MASS_ERROR = 0.13


@pytest.fixture(scope="module")
def galaxy():
    return make_galaxy(1200, 300, seed=3)


@pytest.fixture(scope="module")
def clump(galaxy):
    """Clump stars whose ln mass is measured with calibrated Gaussian errors, and their ages."""
    stars, rng = galaxy.stars[galaxy.stars["sample"] == "clump"], np.random.default_rng(8)
    one, n = np.ones((1, 200, 1)), len(stars)
    measured = np.asarray(stars["ln_mass"]) + MASS_ERROR * rng.normal(size=n)
    draws = {k: one * np.asarray(stars[k]) for k in ("teff", "logg", "feh", "afe")}
    draws["ln_mass"] = measured + MASS_ERROR * rng.normal(size=(1, 200, n))
    ages = bc.infer_ages(as_posterior(draws, np.asarray(stars["star_id"], str)), p_rc=1.0, seed=0)
    return stars, ages["posterior"]["age"].values[0].T


def test_ids_and_places_agree_with_astropy():
    names = clump_ids()[:200]
    words = [
        f"{n[2:4]} {n[4:6]} {n[6:8]}.{n[8:10]} {n[10:13]} {n[13:15]} {n[15:17]}.{n[17]}"
        for n in names
    ]
    wanted = SkyCoord(words, unit=(u.hourangle, u.deg))
    ra, dec = coordinates_of_id(names)
    np.testing.assert_allclose(ra, wanted.ra.deg, atol=1e-9)
    np.testing.assert_allclose(dec, wanted.dec.deg, atol=1e-9)
    distance = np.random.default_rng(0).uniform(0.3, 9.0, (3, 200))
    with galactocentric_frame_defaults.set("v4.0"):
        frame = Galactocentric()
    there = SkyCoord(ra * u.deg, dec * u.deg, distance=distance * u.kpc).transform_to(frame)
    radius, z = galactocentric(ra, dec, distance)
    np.testing.assert_allclose(radius, np.hypot(there.x, there.y).to_value(u.kpc), rtol=1e-9)
    np.testing.assert_allclose(z, there.z.to_value(u.kpc), atol=1e-9)
    with pytest.raises(bc.UserError, match="Vega"):
        coordinates_of_id(["Vega"])


def test_absolute_magnitudes_and_photometric_distances():
    fit = absolute_magnitude()
    assert fit["points"] > 800
    assert fit["rms"] < 0.01
    assert fit["largest"] < 0.03
    clump = absolute_h(4830.0, 2.48, 0.0, np.log(1.3))
    assert abs(clump + 1.5) < 0.15  # the clump's mean M_H: Laney et al. (2012)
    twice = absolute_h(4830.0, 2.48, 0.0, np.log(2.6))
    assert clump - twice == pytest.approx(2.5 * np.log10(2))
    h = np.array([12.0, 12.0, np.nan])
    dust = extinction_h(h, np.array([11.75, 12.1, 11.0]))
    np.testing.assert_allclose(dust, [1.55 * 0.918 * 0.20, 0.0, np.nan])
    assert extinction_h(h, h - 0.28, "irac")[0] == pytest.approx(1.55 * 0.918 * 0.20)
    assert photometric_distance(8.5, -1.5) == pytest.approx(1.0)
    assert photometric_distance(8.5, np.array([-1.5]), 1.0)[0] == pytest.approx(10**-0.2)


def test_mock_galaxy(galaxy):
    """Real places, the ages' structure, masses from the isochrones, spectra of a star by itself."""
    stars = galaxy.stars
    clump = stars["sample"] == "clump"
    assert (clump.sum(), len(stars)) == (1200, 1500)
    assert {n.removeprefix("mock-3-") for n in stars["star_id"][clump]} <= set(clump_ids())
    again = make_galaxy(1200, 300, seed=3)
    assert (again.stars["ln_mass"] == stars["ln_mass"]).all()
    ratio = np.log(stars["distance"] / stars["distance_true"])
    assert np.std(ratio[clump]) == pytest.approx(0.05, abs=3.3 * 0.05 / np.sqrt(2 * 1200))
    assert np.std(ratio[~clump]) == pytest.approx(0.30, abs=3.3 * 0.30 / np.sqrt(2 * 300))
    age, high = np.exp(stars["ln_age"]), np.abs(stars["z_true"]) > 1
    assert np.median(age[high]) > 2 * np.median(age[~high])
    assert np.median(stars["afe"][~stars["low_alpha"]]) > np.median(stars["afe"]) + 0.08
    grid, rc = bc.Parsec.default(), np.asarray(stars["state"]) == "RC"
    mh = bc.ages.salaris(np.asarray(stars["feh"]), np.asarray(stars["afe"]))
    x = np.log10(np.asarray(age))
    wanted = grid.log_mass(x[~rc], mh[~rc], "rgb", np.asarray(stars["logg"])[~rc])
    np.testing.assert_allclose(stars["ln_mass"][~rc], np.log(10) * wanted)
    some = galaxy.spectra(slice(10, 13))
    alone = galaxy.spectra(slice(11, 12))
    np.testing.assert_array_equal(alone.flux[0], some.flux[1])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 30))
def test_cells_count_every_star_and_number_the_full_ones(seed, least):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 300))
    x[rng.uniform(size=300) < 0.1] = np.nan
    cells = sort_into_cells(x, y, np.linspace(-1, 1, 5), np.linspace(-1, 1, 4), least)
    inside = (np.abs(np.nan_to_num(x, nan=9.0)) < 1) & (np.abs(y) < 1)
    assert cells.count.sum() == inside.sum()
    assert ((cells.count >= least) == (cells.number >= 0)).all()
    members = np.bincount(cells.cell[cells.cell >= 0], minlength=cells.n_cell)
    np.testing.assert_array_equal(cells.spread(members)[cells.number >= 0], members)
    np.testing.assert_array_equal(members, cells.count[cells.number >= 0])


def _measured_ages(true_x, prior, rng, sd=0.2):
    """Posterior draws of ages (star, 400) [Gyr], log10 ages measured with Gaussian errors."""
    x = np.linspace(EDGES[0], EDGES[-1], 800)
    observed = true_x + sd * rng.normal(size=true_x.shape)
    log_p = -0.5 * ((observed[:, None] - x) / sd) ** 2 + (np.log(10) * x if prior else 0.0)
    total = np.cumsum(np.exp(log_p - log_p.max(axis=1, keepdims=True)), axis=1)
    level = rng.uniform(size=(len(true_x), 400))
    return 10 ** np.stack([np.interp(u * c[-1], c, x) for u, c in zip(level, total, strict=True)])


def test_the_prior_of_each_star_is_divided_out():
    """A star says the same of a bin whichever prior its draws were made with."""
    true = np.full(200, 0.4)
    means = [
        age_likelihood(_measured_ages(true, prior, np.random.default_rng(4)), name).mean(axis=0)
        for prior, name in ((True, "flat-age"), (False, "flat-log-age"))
    ]
    assert np.abs(means[0] - means[1]).max() < 0.006
    with pytest.raises(bc.UserError, match="population"):
        age_likelihood(np.ones((2, 3)), "population")
    lost = age_likelihood(np.array([[np.nan, np.nan], [1.0, 2.0]]))
    assert (lost[0] == 0).all()
    assert lost[1].sum() == pytest.approx(1.0)


def test_populations_are_recovered():
    """96 cells of 30 stars from two bursts: the stars' true median in 95 % intervals of 88 to 100 %
    of cells (95 % less 3.3 binomial errors of 0.022), that of the distribution likewise; widths
    shrink with the stars, grow with a shared error."""
    rng = np.random.default_rng(11)
    n_cell, n = 96, 30
    young = rng.uniform(size=(n_cell, n)) < 0.4
    x = np.where(young, 0.3, 0.75) + 0.15 * rng.normal(size=young.shape)
    likelihood = age_likelihood(_measured_ages(x.ravel(), True, rng))
    cell = np.repeat(np.arange(n_cell), n)
    found = infer_population(likelihood, cell, draws=300)
    true = 10 ** np.median(x, axis=1)
    share = _share_inside(found.star_median, true)
    assert share > 0.95 - 3.3 * 0.022
    many = rng.uniform(size=200_000) < 0.4
    whole = 10 ** np.median(np.where(many, 0.3, 0.75) + 0.15 * rng.normal(size=many.size))
    assert _share_inside(found.median, np.full(n_cell, whole)) > 0.95 - 3.3 * 0.022
    assert (found.star_median.std(axis=1) < found.median.std(axis=1)).mean() > 0.9
    moved = infer_population(likelihood[: 2 * n], cell[: 2 * n], shared=0.3, draws=300)
    assert np.log10(moved.star_median).std() > 2 * np.log10(found.star_median[:2]).std()
    np.testing.assert_allclose(found.weight.sum(axis=2), 1.0)
    below = share_younger(likelihood[:50], found.weight[0].mean(axis=0), (0.1, 2.0, 13.8))
    np.testing.assert_allclose(below[:, [0, 2]], np.tile([0.0, 1.0], (50, 1)), atol=1e-9)
    assert (np.diff(below, axis=1) >= 0).all()


def _share_inside(draws, truth):
    low, high = np.quantile(draws, [0.025, 0.975], axis=1)
    return np.mean((low <= truth) & (truth <= high))


def test_maps_of_calibrated_ages_hold_the_truth_and_mark_few_stars(clump):
    """Real-looking ages through `infer_ages`: 95 % intervals hold at least 0.95 less 3.3 binomial
    errors; cells with few stars are not filled; draws propagate: point ages would be narrower."""
    stars, age = clump
    edges = np.arange(4, 15.1, 1.0), np.arange(-3, 3.1, 0.75)
    cells = sort_into_cells(np.asarray(stars["radius"]), np.asarray(stars["z"]), *edges)
    found = age_map(age_likelihood(age), cells)
    few = cells.count < 20
    assert np.isnan(found.median[few]).all()
    assert np.isfinite(found.median[~few]).all()
    true = np.exp(np.asarray(stars["ln_age"]))
    inside = [
        found.low[cells.number == i]
        <= np.median(true[cells.cell == i])
        <= found.high[cells.number == i]
        for i in range(cells.n_cell)
    ]
    assert cells.n_cell > 12
    assert np.mean(inside) > 0.95 - 3.3 * np.sqrt(0.05 * 0.95 / cells.n_cell)
    assert np.nanmax(found.error) > 0.02
    young = found.young[~few]
    assert ((young >= 0) & (young <= 1)).all()


def test_a_catalogue_with_places_is_mapped_itself():
    """Distances as given or photometric; a catalogue without either says what to add."""
    model = bc.Model.load(model_path("apokasc-mass"))
    stars = bc.make_mock(30, seed=5).spectra
    post = bc.infer(model, stars, "laplace", draws=50)
    ages = bc.infer_ages(post)
    table = bc.build_catalog(post, ages)
    table["ra"], table["dec"] = np.linspace(0, 350, 30), np.linspace(-30, 60, 30)
    source = SimpleNamespace(catalog=table, ages=ages, note="", seed=0, stars=0)
    with pytest.raises(NotHere, match="distance"):
        sky.sky_of(source, "giants", 2.0)
    table["h"], table["w2"] = 10.0, 9.9
    seen = [sky.sky_of(source, sample, 2.0)[0] for sample in ("clump", "giants")]
    assert sum(len(s.z) for s in seen) > 25
    place = galactocentric(0.0, -30.0, _distance_of_first(table))
    assert any(np.isclose(s.radius, place[0]).any() for s in seen)
    table["distance"] = 2000.0 * u.pc
    found, _ = sky.sky_of(source, "giants", 2.0)
    assert found.true_age is None
    assert np.abs(found.z).max() < 2.1
    assert found.prior == "flat-age"


def _distance_of_first(table):
    teff, logg, feh, afe, ln_mass = (
        float(getattr(table[f"{n}_mean"][0], "value", table[f"{n}_mean"][0]))
        for n in ("teff", "logg", "feh", "afe", "ln_mass")
    )
    absolute = absolute_h(teff, logg, bc.ages.salaris(feh, afe), ln_mass)
    return photometric_distance(10.0, absolute, extinction_h(10.0, 9.9))


def test_items_of_the_maps(clump, monkeypatch):
    """Figs 8 and 9 from arrays: their numbers, pictures and words; the line is a parameter."""
    stars, age = clump
    mean = np.column_stack(
        [np.asarray(stars[k]) for k in ("teff", "logg", "feh", "afe", "ln_mass")]
    )
    n = len(stars)
    rest = np.full(mean.shape, 0.1), age, np.ones(n), np.ones(n), np.zeros(n, int)
    true = np.exp(np.asarray(stars["ln_age"]))
    places = np.asarray(stars["radius"]), np.asarray(stars["z"])
    every = sky.Sky(Measured(mean, *rest), *places, "flat-age", "semi-synthetic", 0, None, true)
    monkeypatch.setattr(maps, "sky_of", lambda *_: (every, 0))
    eight, nine = maps.fig8(Source()), maps.fig9(Source())
    assert set(eight.figures) == {"fig8"}
    assert set(nine.figures) == {"fig9", "fig9b"}
    assert eight.numbers["stars"] == n
    assert eight.numbers["younger than 1 Gyr"] == pytest.approx((true < 1).sum(), rel=0.4)
    assert nine.numbers["truth in 95 % interval"] > 0.7
    assert "Semi-synthetic" in nine.caption
    low = maps.is_low_alpha(np.array([0.0, 0.0]), np.array([0.0, 0.2]))
    np.testing.assert_array_equal(low, [True, False])
    assert maps.is_low_alpha(0.0, 0.2, ((-1.0, 0.3), (1.0, 0.3)))


def test_residuals_within_abundance_bins():
    """Exact masses have slope 1; masses that bins alone explain have none of their own."""
    table = apokasc()[::2]
    names = ("teff", "logg", "feh", "afe")
    truth = np.column_stack([np.asarray(table[n], float) for n in names])
    truth = np.column_stack([truth, np.log(np.asarray(table["mass"], float))])
    found = SimpleNamespace(
        labels=(*names, "ln_mass"),
        star_id=np.asarray(table["star_id"], str),
        truth=truth,
        mean=truth,
    )
    source = SimpleNamespace(validation=found, training=table, note="", semi_synthetic=False)
    item = fig7(source)
    assert item.numbers["slope"] == pytest.approx(1.0)
    assert item.numbers["slope error"] < 1e-6
    assert item.numbers["bins"] > 10
    rng = np.random.default_rng(2)
    found.mean = truth.copy()
    found.mean[:, 4] = rng.permutation(truth[:, 4])
    shuffled = fig7(source)
    assert abs(shuffled.numbers["slope"]) < 4 * shuffled.numbers["slope error"]
