"""Models that know the evolutionary states: training, mixing, ages, folders."""

from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from conftest import label_table
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm, t

import bayescannon as bc
from bayescannon.ages.draws import p_rc_of, read_draws, weigh
from bayescannon.data import model_path
from bayescannon.labels import Mixture, WhiteMixture, features, fit_bent_population, straightened
from bayescannon.model import load
from bayescannon.model.by_state import parts_of, states_of
from bayescannon.model.checks import stated_errors
from bayescannon.posterior.frame import Frame
from bayescannon.posterior.importance import log_evidence
from bayescannon.posterior.likelihood import Summary
from bayescannon.training.relation import _spread, error_law
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
    assert single.states is None
    assert single.report["states"].startswith("none")
    other = bc.infer(single, test_set.spectra, "laplace", draws=8)["point/mean"].values[:, 3]
    # a ratio of two rms errors of the same 512 stars is known to 0.03: better by 3 of them
    assert np.std(off) < 0.91 * np.std(other - test_set.truth[:, 3])
    assert model.report["states"]["unknown"] == 10
    # what all stars share is that of a model without states
    np.testing.assert_allclose(model.coefficients, single.coefficients, atol=1e-9)


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


def test_the_label_prior_divides_out_whatever_it_was(model, test_set, post):
    """Weights of the states' draws give the same likelihood ratio under both named priors.

    500 draws of a state that is not rare know their mean weight to 10 %; in ln odds, 0.3 at
    4 sigma. Rare states have fewer draws and are left out.
    """
    few = test_set.spectra[:64]
    ratio = []
    for prior in ("population", "flat"):
        found = bc.infer(model, few, "importance", prior, draws=500)
        stats, labels = found["sample_stats"].to_dataset(), found["posterior"].to_dataset()
        raw = read_draws(labels, stats)
        rgb, rc = weigh(raw, raw.finite)
        share = stats["rc"].values.mean(axis=(0, 1))
        ratio.append(np.where(np.abs(share - 0.5) < 0.4, rc.log_total - rgb.log_total, np.nan))
        assert ((p_rc_of(np.full(64, 0.5), rgb, rc) > 0.5) == (rc.log_total > rgb.log_total)).all()
    off = np.diff(ratio, axis=0)[0]
    off = off[np.isfinite(off)]
    assert off.size > 8
    assert np.median(np.abs(off)) < 0.3


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
    # twice the weight for every clump draw: P(rc) is 2/3
    heavier = stats.assign(log_prior=(dims, np.where(rc, -np.log(2), 0.0)[None, :, None]))
    tree["sample_stats"] = xr.DataTree(heavier)
    assert bc.infer_ages(tree)["sample_stats/p_rc"].values[0] == pytest.approx(2 / 3)


def test_folders_keep_the_states(model, tmp_path, test_set):
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.id == model.id
    again = states_of(loaded)
    for one, two in zip(parts_of(model), again.parts, strict=True):
        np.testing.assert_array_equal(one.coefficients, two.coefficients)
        np.testing.assert_array_equal(one.population.bend, two.population.bend)
    assert replace(model, states=None).id != model.id
    with pytest.raises(bc.UserError, match="by_state' needs a label"):
        bc.Recipe.loads('name = "x"\n[labels]\nnames = ["teff"]\n[training]\nby_state = true\n')


def test_stars_of_the_model_itself_are_told_apart(model):
    simulated = simulate_stars(model, 256, seed=3)
    found = bc.infer(model, simulated.spectra, "importance", draws=100)
    z = (found["point/mean"].values - simulated.labels) / np.sqrt(
        np.einsum("nii->ni", found["point/cov"].values)
    )
    # 256 stars: error 0.044
    np.testing.assert_allclose(z.std(axis=0), 1.0, atol=0.18)


def test_evidence_of_a_gaussian_is_exact():
    """Linear features, a Gaussian prior with a bend's worth of nothing: closed form."""
    rng = np.random.default_rng(2)
    design, y = rng.normal(size=(7, 3)), rng.normal(size=7)
    covariance = np.diag([1.0, 0.5])
    a = design.T @ design
    # d = v - v(0): the constant is part of the offset
    b, c = design.T @ (y - design[:, 0]), np.sum((y - design[:, 0]) ** 2)
    norm = -0.5 * 7 * np.log(2 * np.pi)
    parts = [jnp.asarray(p)[None] for p in (a, b, c, norm, 7.0, a, b, c)]
    mixture = Mixture(jnp.ones(1), jnp.zeros((1, 2)), jnp.asarray(covariance)[None])
    precision = a[1:, 1:] + np.linalg.inv(covariance)
    mean = np.linalg.solve(precision, b[1:])
    root = np.linalg.cholesky(np.linalg.inv(precision))
    frame = Frame(jnp.asarray(mean)[None], jnp.asarray(root)[None])
    found = float(log_evidence(Summary(*parts), frame, WhiteMixture.of(mixture), 1)[0])
    total = np.eye(7) + design[:, 1:] @ covariance @ design[:, 1:].T
    exact = multivariate_normal(design[:, 0], total).logpdf(y)
    # Student proposals for a Gaussian: the 400 even points leave 1 %
    assert found == pytest.approx(exact, abs=0.02)


def test_a_bend_is_found_and_undone():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(2000, 2))
    curved = 0.3 * x[:, 0] - 0.5 * x[:, 0] * x[:, 1] + 0.4 * x[:, 1] ** 2
    scaled = np.column_stack([x, curved + 0.2 * rng.normal(size=2000)])
    mixture = fit_bent_population(scaled, np.zeros_like(scaled), (2,), scaled)
    even = np.asarray(straightened(jnp.asarray(scaled.T), mixture.bend)).T
    np.testing.assert_allclose(mixture.labels_of(even), scaled, atol=1e-12)
    assert even[:, 2].std() == pytest.approx(0.2, rel=0.05)
    at = jnp.asarray(scaled[0])
    np.testing.assert_allclose(
        WhiteMixture.of(mixture).log_prob(at), mixture.log_prob(at), rtol=1e-9
    )
    near = WhiteMixture.of(mixture).around(at)
    np.testing.assert_allclose(near.log_prob(at), mixture.log_prob(at), rtol=1e-9)


@pytest.mark.parametrize("f", [0.7, 1.0, 1.3])
def test_error_scale_where_stated_errors_differ(f):
    """2000 stars whose stated errors span a factor of four tell f to 5 %, whatever is open."""
    rng = np.random.default_rng(1)
    stated = rng.uniform(0.1, 0.4, 2000) ** 2
    missed = rng.normal(size=2000) * np.sqrt(0.02 + f**2 * stated)
    found = error_law(missed**2, np.full(2000, 0.01), stated)
    assert found.scale == pytest.approx(f, rel=0.1)
    assert found.degrees == np.inf
    assert (found.trust == 1).all()


@pytest.mark.parametrize("degrees", [3.0, 5.0])
def test_a_student_error_beside_a_gaussian_one_is_their_convolution(degrees):
    missed, own, variance = 0.5, 0.04, 0.09
    _, log_weight = _spread(*map(np.array, (missed**2, own, variance)), degrees)
    student = t(degrees, scale=np.sqrt(variance))
    exact = quad(lambda e: norm.pdf(e, scale=np.sqrt(own)) * student.pdf(missed - e), -3, 3)[0]
    assert logsumexp(log_weight) == pytest.approx(np.log(exact * np.sqrt(2 * np.pi)), abs=1e-3)


def test_label_errors_are_standard_deviations_whatever_their_law():
    model = bc.Model.load(model_path("apokasc-mass"))
    law = {"error_scale": dict.fromkeys(model.labels, 2.0)}
    stated = np.full((1, 5), 0.1)
    gaussian = replace(model, report=law)
    assert (gaussian.error_degrees == np.inf).all()
    plain = 2 * stated_errors(stated, model.recipe)
    np.testing.assert_allclose(gaussian.label_errors(stated), plain)
    tailed = replace(model, report=law | {"error_degrees_of_freedom": {"ln_mass": 5.0}})
    np.testing.assert_array_equal(tailed.error_degrees, [*[np.inf] * 4, 5.0])
    found = (tailed.label_errors(stated) / plain)[0]
    np.testing.assert_allclose(found, [1, 1, 1, 1, np.sqrt(5 / 3)])


def test_errors_with_tails_are_seen_and_outliers_trusted_less():
    """2000 stars, seed 2, f 0.7: Student errors are told from Gaussian ones by 140 in ln L."""
    rng = np.random.default_rng(2)
    stated = rng.uniform(0.1, 0.4, 2000) ** 2
    missed = 0.1 * rng.normal(size=2000) + 0.7 * np.sqrt(stated) * rng.standard_t(3, 2000)
    found = error_law(missed**2, np.full(2000, 0.01), stated)
    assert found.degrees == 3
    assert found.scale == pytest.approx(0.7, rel=0.1)
    off = np.abs(missed) / np.sqrt(stated)
    assert found.trust[off > 3].max() < 0.7 < 1.1 < found.trust[off < 0.5].min()
