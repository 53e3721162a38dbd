"""Features, label tables, scaling, and the density of labels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

import bayescannon as bc
from bayescannon.labels import (
    Mixture,
    features,
    fit_population,
    label_arrays,
    learn_scaling,
    monomials,
    n_features,
    read_labels,
)

# --- features ----------------------------------------------------------------------------------


def test_features_are_those_of_equation_2():
    a, b, c = 2.0, 3.0, 5.0
    expected = [1, a, b, c, a * a, a * b, a * c, b * b, b * c, c * c]
    np.testing.assert_array_equal(features(jnp.array([a, b, c])), expected)


@pytest.mark.parametrize(("n_label", "degree", "number"), [(5, 2, 21), (4, 2, 15), (3, 1, 4)])
def test_numbers_of_features(n_label, degree, number):
    assert n_features(n_label, degree) == number
    assert features(jnp.zeros((2, 7, n_label)), degree).shape == (2, 7, number)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(-4, 4), min_size=3, max_size=3),
    st.floats(-3, 3),
    st.integers(1, 3),
)
def test_a_monomial_scales_with_its_power(x, factor, degree):
    power = (monomials(3, degree) > 0).sum(axis=1)
    assert power.max() == degree
    v = np.asarray(features(jnp.array(x), degree))
    scaled = np.asarray(features(factor * jnp.array(x), degree))
    np.testing.assert_allclose(scaled, v * factor**power, rtol=1e-12, atol=1e-12)


# --- tables ------------------------------------------------------------------------------------


@pytest.fixture
def table():
    made = Table({"star_id": ["b", "a", "c"], "teff": [4.5, 4.7, 4.9] * u.kK})
    made["logg"] = [2.0, 2.5, 3.0] * u.dex(u.cm / u.s**2)
    made["feh"] = MaskedColumn([0.1, 0.0, -0.1], mask=[False, True, False])
    made["teff_err"] = [10.0, 20.0, 30.0] * u.K
    made["mass"] = [1.0, 2.0, -1.0] * u.Msun
    made["mass_err"] = [0.1, 0.1, 0.1] * u.Msun
    return made


def test_labels_come_in_the_order_of_the_stars_and_in_our_units(table):
    names = ("teff", "logg", "feh", "ln_mass")
    values, errors = label_arrays(table, names, np.array(["a", "b"]))
    np.testing.assert_allclose(values, [[4700, 2.5, np.nan, np.log(2)], [4500, 2, 0.1, 0]])
    nan = np.nan
    np.testing.assert_allclose(errors, [[20, nan, nan, 0.05], [10, nan, nan, 0.1]])
    unknown, _ = label_arrays(table, ("ln_mass",), np.array(["c"]))
    assert np.isnan(unknown).all()


def test_a_logarithm_may_stand_there_itself(table):
    table["ln_mass"] = [0.1, 0.2, 0.3]
    values, errors = label_arrays(table, ("ln_mass",), np.array(["c", "a"]))
    np.testing.assert_array_equal(values[:, 0], [0.3, 0.2])
    assert np.isnan(errors).all()


def test_tables_from_disk_are_read(table, tmp_path):
    """FITS cannot hold the unit dex(cm/s2) as such; its text comes back, and is understood."""
    table["star_id", "teff", "logg", "mass"].write(tmp_path / "a.ecsv")
    columns = [
        fits.Column("star_id", "1A", array=["b", "a", "c"]),
        fits.Column("teff", "D", unit="K", array=[4500.0, 4700.0, 4900.0]),
        fits.Column("logg", "D", unit="dex(cm/s2)", array=[2.0, 2.5, 3.0]),
        fits.Column("mass", "D", unit="solMass", array=[1.0, 2.0, 3.0]),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "a.fits")
    for name in ("a.ecsv", "a.fits"):
        read = read_labels(tmp_path / name)
        values, _ = label_arrays(read, ("teff", "logg", "ln_mass"), np.array(["a", "b"]))
        np.testing.assert_allclose(values, [[4700, 2.5, np.log(2)], [4500, 2.0, 0]])


def _with(table, **columns):
    for name, column in columns.items():
        table[name] = column
    return table


BAD_TABLES = {
    "no column": (lambda t: t["star_id", "logg"], "no column 'teff'; it has: star_id, logg"),
    "no star_id": (lambda t: t["teff", "logg"], "no column 'star_id'"),
    "unit": (lambda t: _with(t, teff=[1, 2, 3] * u.km), "'teff' is in km, which is not a K"),
    "twice": (lambda t: _with(t, star_id=["a", "a", "c"]), "star_id 'a' stands twice"),
    "absent": (lambda t: t[[0, 2]], r"1 stars .* \(first: 'a'\)"),
    "text": (lambda t: _with(t, teff=["hot", "4700", "cool"]), "column 'teff'.*number"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_unusable_tables_are_refused_in_one_line(table, case):
    change, message = BAD_TABLES[case]
    with pytest.raises(bc.UserError, match=message) as caught:
        label_arrays(change(table), ("teff", "logg"), np.array(["a", "b"]))
    assert "\n" not in str(caught.value)


def test_an_unknown_unit_is_named(table):
    table["teff"] = table["teff"].value
    table["teff"].unit = u.Unit("kelvinz", parse_strict="silent")
    with pytest.raises(bc.UserError, match="'teff' has the unknown unit 'kelvinz'; use K"):
        label_arrays(table, ("teff",), np.array(["a"]))


def test_logarithm_without_its_column_names_both(table):
    table.remove_columns(["mass", "mass_err"])
    with pytest.raises(bc.UserError, match=r"'ln_mass' \(or 'mass'\)"):
        label_arrays(table, ("ln_mass",), np.array(["a"]))


def test_files_that_are_no_tables_are_refused(tmp_path):
    path = tmp_path / "labels.fits"
    with pytest.raises(bc.UserError, match="no such label table"):
        read_labels(path)
    path.write_text("not\x00a table")
    with pytest.raises(bc.UserError, match=r"labels\.fits: not a table") as caught:
        read_labels(path)
    assert "\n" not in str(caught.value)


# --- scaling and density -----------------------------------------------------------------------


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(0, 1000))
def test_scaling_goes_there_and_back(seed):
    rng = np.random.default_rng(seed)
    labels = rng.normal(rng.uniform(-1e4, 1e4, 3), rng.uniform(1e-3, 1e3, 3), (50, 3))
    scaling = learn_scaling(labels)
    scaled = scaling.to_scaled(labels)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-7)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-7)
    np.testing.assert_allclose(scaling.to_labels(scaled), labels, rtol=1e-12, atol=1e-9)


def test_scaling_ignores_nan():
    scaling = learn_scaling(np.array([[1.0, 5.0], [3.0, np.nan], [np.nan, 9.0]]))
    np.testing.assert_array_equal(scaling, [[2, 7], [1, 2]])


@pytest.fixture(scope="module")
def noisy():
    """3000 stars of two groups in three labels; the third is as noisy as it is wide (seed 12)."""
    rng = np.random.default_rng(12)
    group = rng.uniform(size=3000) < 0.3
    truth = np.where(group[:, None], [-1.2, 0.8, 0.0], [0.5, -0.3, 0.0]) + 0.6 * (
        rng.normal(size=(3000, 3)) @ np.array([[1, 0.5, 0.2], [0, 1, 0.3], [0, 0, 1]])
    )
    error = np.array([0.05, 0.1, 0.7])
    return truth, truth + error * rng.normal(size=truth.shape), np.tile(error**2, (3000, 1))


def test_noise_is_taken_out_of_the_population(noisy):
    """Covariance of the truth within 4 Monte Carlo errors of about 0.04, beside the floor."""
    truth, scaled, variance = noisy
    mixture = fit_population(jnp.asarray(scaled), jnp.asarray(variance))
    mean = np.asarray(mixture.weight @ mixture.mean)
    away = np.asarray(mixture.mean) - mean
    second = np.asarray(mixture.covariance) + np.einsum("ci,cj->cij", away, away)
    total = np.einsum("c,cij->ij", np.asarray(mixture.weight), second)
    np.testing.assert_allclose(mean, truth.mean(axis=0), atol=4 * 0.02)
    np.testing.assert_allclose(total, np.cov(truth.T), atol=4 * 0.03)
    assert np.cov(scaled.T)[2, 2] - total[2, 2] > 0.3
    assert float(mixture.weight.sum()) == pytest.approx(1.0)


def test_the_density_is_that_of_a_gaussian_mixture(noisy):
    mixture = fit_population(*(jnp.asarray(a) for a in noisy[1:]))
    parts = [np.asarray(part) for part in mixture[:3]]
    for x in noisy[0][:5]:
        by_hand = sum(w * multivariate_normal(m, c).pdf(x) for w, m, c in zip(*parts, strict=True))
        np.testing.assert_allclose(mixture.log_prob(jnp.asarray(x)), np.log(by_hand), rtol=1e-10)
        away = [
            np.sqrt((x - m) @ np.linalg.inv(c) @ (x - m)) for _, m, c in zip(*parts, strict=True)
        ]
        np.testing.assert_allclose(mixture.distance(jnp.asarray(x)), min(away), rtol=1e-10)


def test_the_tail_is_a_share_of_the_weight_and_as_wide_as_asked():
    means = jnp.array([[-1.0, 0.0], [1.0, 0.0]])
    mixture = Mixture(jnp.full(2, 0.5), means, 0.1 * jnp.stack([jnp.eye(2)] * 2))
    tailed = mixture.with_tail(0.1, 3.0)
    np.testing.assert_allclose(tailed.weight, [0.45, 0.45, 0.1])
    np.testing.assert_allclose(tailed.covariance[2], np.diag([9 * 1.1, 9 * 0.1]), atol=1e-12)
    np.testing.assert_allclose(tailed.mean[2], 0.0, atol=1e-12)
    density = jax.vmap(lambda a: jnp.exp(tailed.log_prob(a)))
    grid = jnp.linspace(-20, 20, 161)
    plane = jnp.stack(jnp.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    assert float(density(plane).sum() * 0.0625) == pytest.approx(1.0, abs=1e-4)


def test_population_does_not_depend_on_order_or_padding(noisy):
    _, scaled, variance = (a[:400] for a in noisy)
    one = fit_population(jnp.asarray(scaled), jnp.asarray(variance))
    order = np.random.default_rng(0).permutation(400)
    two = fit_population(jnp.asarray(scaled[order]), jnp.asarray(variance[order]))
    for a, b in zip(one[:3], two[:3], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


def test_one_label_has_a_population_too():
    mixture = fit_population(jnp.linspace(-2, 2, 30)[:, None], jnp.zeros((30, 1)))
    assert np.isfinite(mixture.log_prob(jnp.zeros(1)))
