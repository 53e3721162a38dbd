"""Models that know the evolutionary states: training, mixing, ages, folders."""

from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from conftest import label_table

import bayescannon as bc
from bayescannon.ages.draws import p_rc_of, read_draws
from bayescannon.data import model_path
from bayescannon.labels import features
from bayescannon.model import load
from bayescannon.model.checks import found_errors, stated_errors
from studies.from_model import simulate_stars

NAMES = ("logg", "feh", "afe", "ln_mass")
ERRORS = np.array([0.1, 0.1, 0.1, 0.5])
RESPONSE = {"rgb": np.array([2.0, 0.0]), "rc": np.array([-1.0, 2.0])}
"""How two factors answer to the fourth label, in each state."""


class Scenario(NamedTuple):
    spectra: bc.Spectra
    labels: object
    truth: np.ndarray
    rc: np.ndarray


def make(n_star: int, part: int) -> Scenario:
    """96 pixels; P(clump) follows from the second label, mass from the first."""
    rng = np.random.default_rng(7)
    coefficients = rng.normal(size=(96, 10)) * np.r_[0, [0.05] * 3, [0.01] * 6]
    coefficients[:, 0] = 1.0
    factors = 0.03 * rng.normal(size=(96, 2))
    rng = np.random.default_rng([11, part])
    x = rng.normal(size=(n_star, 3))
    rc = rng.uniform(size=n_star) < 1 / (1 + np.exp(-2 * x[:, 1]))
    mass = np.where(rc, 0.3, -0.3) + 0.5 * x[:, 0] + 0.6 * rng.normal(size=n_star)
    response = np.where(rc[:, None], RESPONSE["rc"], RESPONSE["rgb"])
    z = rng.normal(size=(n_star, 2)) + mass[:, None] * response
    flux = np.asarray(features(jnp.asarray(x))) @ coefficients.T + z @ factors.T
    flux += 0.01 * rng.normal(size=flux.shape)
    truth = np.column_stack([x, mass])
    observed = truth + ERRORS * rng.normal(size=truth.shape)
    star_id = [f"star-{part}-{i:04d}" for i in range(n_star)]
    wavelength = np.linspace(15200.0, 16900.0, 96)
    spectra = bc.Spectra(wavelength, flux, np.full(flux.shape, 1e4), star_id)
    table = label_table(spectra.star_id, observed, ERRORS, NAMES)
    table["state"] = np.where(rc, "RC", "RGB")
    table["state"][:10] = ""
    return Scenario(spectra, table, truth, rc)


@pytest.fixture(scope="module")
def recipe() -> bc.Recipe:
    return bc.Recipe.loads(
        'name = "states"\n[labels]\nnames = ["logg", "feh", "afe", "ln_mass"]\n[training]\n'
        'noisy_labels = true\ncarried = ["ln_mass"]\nfactors = 6\nlabel_errors = {}\n'
        "by_state = true\n"
    )


@pytest.fixture(scope="module")
def training() -> Scenario:
    return make(760, 0)


@pytest.fixture(scope="module")
def model(training, recipe) -> bc.Model:
    return bc.train(training.spectra, training.labels, recipe)


@pytest.fixture(scope="module")
def test_set() -> Scenario:
    return make(512, 1)


@pytest.fixture(scope="module")
def post(model, test_set) -> xr.DataTree:
    return bc.infer(model, test_set.spectra, "importance", draws=200)


def test_both_relations_are_found_and_posteriors_are_calibrated(
    model, training, recipe, post, test_set
):
    """Seed fixed; z of 512 stars has an error of 0.03, the error scale's chain adds 0.05."""
    off = post["point/mean"].values[:, 3] - test_set.truth[:, 3]
    z = off / np.sqrt(post["point/cov"].values[:, 3, 3])
    assert z.std() == pytest.approx(1.0, abs=0.2)
    stateless = training.labels.copy()
    stateless.remove_column("state")
    single = bc.train(training.spectra, stateless, recipe)
    assert len(single.relation.scatter) == 1
    assert single.report["states"].startswith("none")
    other = bc.infer(single, test_set.spectra, "laplace", draws=8)["point/mean"].values[:, 3]
    # a ratio of two rms errors of the same 512 stars is known to 0.03: better by 3 of them
    assert np.std(off) < 0.91 * np.std(other - test_set.truth[:, 3])
    assert model.report["states"]["unknown"] == 10
    # what all stars share is that of a model without states
    np.testing.assert_allclose(model.direct.coefficients, single.direct.coefficients, atol=1e-9)


def test_p_rc_is_calibrated(post, test_set):
    """Mean P(rc) in thirds against the share of clump stars: 4 binomial errors and 0.03.

    The likelier state must be right as often as P(rc) itself says, within 4 binomial errors.
    """
    p = post["sample_stats/p_rc"].values
    promised = np.maximum(p, 1 - p).mean()
    right = np.mean((p > 0.5) == test_set.rc)
    assert abs(right - promised) < 4 * np.sqrt(promised * (1 - promised) / len(p))
    assert right > max(np.mean(test_set.rc), 1 - np.mean(test_set.rc)) + 0.1
    for part in np.array_split(np.argsort(p), 3):
        error = np.sqrt(max(np.mean(p[part] * (1 - p[part])), 0.01) / len(part))
        assert abs(test_set.rc[part].mean() - p[part].mean()) < 4 * error + 0.03
    share = post["sample_stats/rc"].values.mean(axis=(0, 1))
    np.testing.assert_allclose(share, p, atol=0.02)


def test_a_star_does_not_depend_on_its_block(model, test_set, post):
    alone = bc.infer(model, test_set.spectra[300:303], "importance", draws=200)
    for name in ("posterior/ln_mass", "sample_stats/p_rc", "sample_stats/rc"):
        np.testing.assert_allclose(alone[name].values, post[name].values[..., 300:303], rtol=1e-6)


def test_reweighting_to_flat_equals_inferring_flat_and_keeps_the_state(post, model, test_set):
    """Mean log score of P(rc) of 512 stars within 0.01; masses within 0.2 sd in the median."""
    flat = bc.infer(model, test_set.spectra, "importance", "flat", draws=200)
    after = bc.reweight(post, "flat")
    scores = []
    for tree in (flat, after):
        p = np.clip(tree["sample_stats/p_rc"].values, 1e-3, 1 - 1e-3)
        scores.append(np.mean(np.where(test_set.rc, np.log(p), np.log1p(-p))))
    assert abs(scores[0] - scores[1]) < 0.01
    sd = np.sqrt(flat["point/cov"].values[:, 3, 3])
    off = (after["point/mean"].values - flat["point/mean"].values)[:, 3] / sd
    assert np.median(np.abs(off)) < 0.2


def test_draws_for_ages_are_those_of_the_flat_prior(post, model, test_set):
    """Mass given labels, prior divided out: many effective draws, width as inferred under flat."""
    raw = read_draws(post["posterior"].to_dataset(), post["sample_stats"].to_dataset())
    weight = np.exp(raw.log_prior.min(axis=1, keepdims=True) - raw.log_prior)
    weight /= weight.sum(axis=1, keepdims=True)
    assert np.quantile(1 / np.sum(weight**2, axis=1), 0.05) > 0.4 * weight.shape[1]
    flat = bc.infer(model, test_set.spectra, "importance", "flat", draws=200)
    mean = np.sum(weight * raw.log_mass, axis=1, keepdims=True)
    sd = np.sqrt(np.sum(weight * (raw.log_mass - mean) ** 2, axis=1)) * np.log(10)
    direct = np.sqrt(flat["point/cov"].values[:, 3, 3])
    # 200 draws know each width to 5 %
    assert np.median(sd / direct) == pytest.approx(1.0, abs=0.03)
    np.testing.assert_allclose(p_rc_of(raw), flat["sample_stats/p_rc"].values, atol=0.12)


def test_ages_come_from_each_states_own_draws(test_set):
    """Draws of the branch at 1.0, of the clump at 2.0 Msun: each age follows its own."""
    rng = np.random.default_rng(0)
    n, rc = 400, np.arange(400) % 2 == 1
    ln_mass = np.log(np.where(rc, 2.0, 1.0)) + 0.02 * rng.normal(size=n)
    dims = ("chain", "draw", "star")
    sampled = {"ln_mass": ln_mass, "feh": 0.02 * rng.normal(size=n)}
    posterior = xr.Dataset(
        {k: (dims, v[None, :, None]) for k, v in sampled.items()}, {"star": ["s"]}
    )
    stats = {"log_prior": np.zeros(n), "rc": rc}
    stats = xr.Dataset({k: (dims, v[None, :, None]) for k, v in stats.items()}, {"star": ["s"]})
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})
    ages = bc.infer_ages(tree)
    middle = ages["point/quantile"].sel(level=0.5).values[:, 0]
    assert middle[1] > 8
    assert middle[2] < 2
    assert ages["sample_stats/p_rc"].values[0] == pytest.approx(0.5)
    # a model's own P(rc) is used
    tree["sample_stats"] = xr.DataTree(stats.assign(p_rc=("star", [0.8])))
    assert bc.infer_ages(tree)["sample_stats/p_rc"].values[0] == pytest.approx(0.8)


def test_folders_keep_the_states(model, tmp_path, test_set):
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.id == model.id
    for one, two in zip(model.relation, loaded.relation, strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(model.direct.coefficients, loaded.direct.coefficients)
    assert replace(model, relation=None).id != model.id
    with pytest.raises(bc.UserError, match="needs a label in"):
        bc.Recipe.loads('name = "x"\n[labels]\nnames = ["teff"]\n[training]\nby_state = true\n')


def test_stars_of_the_model_itself_are_told_apart(model):
    simulated = simulate_stars(model, 256, seed=3)
    found = bc.infer(model, simulated.spectra, "importance", draws=100)
    z = (found["point/mean"].values - simulated.labels) / np.sqrt(
        np.einsum("nii->ni", found["point/cov"].values)
    )
    # 256 stars: error 0.044
    np.testing.assert_allclose(z.std(axis=0), 1.0, atol=0.18)


def test_label_errors_are_standard_deviations_whatever_their_law():
    model = bc.Model.load(model_path("apokasc-mass"))
    law = {"error_scale": dict.fromkeys(model.labels, 2.0)}
    stated = np.full((1, 5), 0.1)
    gaussian = replace(model, report=law)
    plain = 2 * stated_errors(stated, model.recipe)
    sd, degrees = found_errors(gaussian, stated)
    assert (degrees == np.inf).all()
    np.testing.assert_allclose(sd, plain)
    tailed = replace(model, report=law | {"error_degrees_of_freedom": {"ln_mass": 5.0}})
    sd, degrees = found_errors(tailed, stated)
    np.testing.assert_array_equal(degrees[0], [*[np.inf] * 4, 5.0])
    np.testing.assert_allclose((sd / plain)[0], [1, 1, 1, 1, np.sqrt(5 / 3)])
