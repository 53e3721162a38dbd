"""The model's error in label space is found where it is, and nothing where it is not."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import label_table, recipe_of

import bayescannon as bc
from bayescannon.flags import Flag
from bayescannon.labels import Mixture
from bayescannon.model import LabelError
from bayescannon.model.error import Chi2Law, CoefficientNoise
from bayescannon.training import Residuals, fit_budget

N_STAR, N_LABEL = 400, 3
MODEL = np.array([[1.0, 0.5, 0.3], [0.5, 1.0, 0.4], [0.3, 0.4, 1.0]])


def _residuals(size: float, seed: int, growth: float = 0.0) -> Residuals:
    """Stated errors 0.1, spectra 0.03; the model's error is a t5 of this scale."""
    rng = np.random.default_rng(seed)
    leverage = 0.03 * rng.gamma(2.0, 0.5, N_STAR)
    error = rng.normal(size=(N_STAR, N_LABEL)) @ np.linalg.cholesky(MODEL).T
    error *= size / np.sqrt(rng.gamma(2.5, 1 / 2.5, (N_STAR, 1)))
    error *= ((leverage / np.median(leverage)) ** (growth / 2))[:, None]
    missed = error + rng.normal(size=error.shape) * np.hypot(0.1, 0.03)
    own = np.broadcast_to(0.03**2 * np.eye(N_LABEL), (N_STAR, N_LABEL, N_LABEL))
    return Residuals(missed, own, leverage, np.zeros_like(missed))


def _stated(error: float = 0.1) -> np.ndarray:
    return np.full((N_STAR, N_LABEL), error**2)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nothing_is_found_where_nothing_is(seed):
    """f within 4 Monte Carlo errors of 1 / sqrt(800) = 0.035."""
    budget = fit_budget(_residuals(0.0, seed), _stated(), 0.15)
    np.testing.assert_array_equal(budget.covariance, 0.0)
    np.testing.assert_allclose(budget.scale, 1.0, atol=0.14)
    assert budget.gain < budget.needed


def test_what_was_put_in_is_found_again():
    """Scale matrix of 400 t5 errors: sd known to some 5 %; four of those."""
    budget = fit_budget(_residuals(0.15, 3), _stated(), 0.15)
    np.testing.assert_allclose(np.sqrt(np.diag(budget.covariance)), 0.15, rtol=0.2)
    assert budget.degrees in (5.0, 10.0)
    np.testing.assert_allclose(budget.scale, 1.0, atol=0.4)


def test_errors_that_grow_with_leverage_are_found():
    assert fit_budget(_residuals(0.3, 4, growth=1.0), _stated(), 0.15).growth >= 0.5


def test_who_distrusts_the_catalogue_gives_it_all():
    """Gaussian surplus: with a free scale f = 2 explains it, within 4 errors of 2 x 0.035."""
    budget = fit_budget(_residuals(0.0, 5), _stated(0.05), np.inf)
    np.testing.assert_array_equal(budget.covariance, 0.0)
    np.testing.assert_allclose(budget.scale, np.hypot(0.1, 0.03) / 0.05, rtol=0.15)


def test_labels_that_are_missing_do_not_count():
    residuals = _residuals(0.15, 6)
    missed = np.array(residuals.missed)
    missed[:100, 0] = np.nan
    missed[100] = np.nan
    budget = fit_budget(residuals._replace(missed=missed), _stated(), 0.15)
    assert np.isfinite(budget.log_density[:100]).all()
    np.testing.assert_allclose(np.sqrt(np.diag(budget.covariance)), 0.15, rtol=0.25)


def test_the_population_of_apparent_labels_is_narrower():
    """Two components; what is taken out is kept to a tenth."""
    covariance = np.stack([np.eye(2), np.diag([4.0, 0.5])])
    mixture = Mixture(np.array([0.5, 0.5]), np.zeros((2, 2)), covariance)
    less = np.asarray(mixture.less(np.diag([0.3, 0.6])).covariance)
    np.testing.assert_allclose(less[0], np.diag([0.7, 0.4]), atol=1e-12)
    np.testing.assert_allclose(less[1], np.diag([3.7, 0.05]), atol=1e-12)


def test_noise_of_alike_pixels_is_a_product_exactly():
    rng = np.random.default_rng(7)
    root = rng.normal(size=(4, 4))
    size = np.r_[rng.uniform(1, 3, 20), 0.0]
    covariance = size[:, None, None] * (root @ root.T)
    noise = CoefficientNoise.of(covariance)
    np.testing.assert_allclose(noise.pixel[:, None, None] * noise.feature, covariance, atol=1e-10)


def test_chi2_is_judged_at_equal_signal_to_noise():
    """4000 stars whose chi2 grows with S/N: 1 % above the 99 % limit, within 4 errors of 0.16 %."""
    rng = np.random.default_rng(8)
    snr = np.exp(rng.uniform(3, 6, 4000))
    reduced = np.exp(0.1 + 0.2 * np.log(snr) + 0.05 * rng.normal(size=4000))
    law = Chi2Law.of(reduced, snr)
    above = reduced > law.limit(0.99, snr)
    assert np.mean(above) == pytest.approx(0.01, abs=0.0064)
    assert np.mean(above[snr > 200]) < 0.025


def test_spectra_that_no_label_gives_are_flagged(scenario):
    """Regression: a reduced chi2 of 3 never fired. Every tenth pixel of four stars is 5 % off."""
    flux, ivar = (np.array(a) for a in scenario.spectra[:8].arrays())
    flux[:4, ::10] += 0.05
    spectra = bc.Spectra(scenario.spectra.wavelength, flux, ivar, scenario.spectra.star_id[:8])
    flags = bc.infer(scenario.model, spectra, method="laplace", draws=8)["sample_stats"]["flags"]
    bad = (flags.values & int(Flag.BAD_CHI2)) > 0
    assert bad[:4].all()
    assert not bad[4:].any()


@pytest.mark.parametrize("method", ["laplace", "importance", "nuts"])
def test_every_method_holds_the_errors_of_the_model(scenario, method):
    """16 stars x 400 draws: sds within 10 %; blocks do not matter."""
    n_feature = scenario.model.coefficients.shape[1]
    law = LabelError(np.zeros((n_feature,) * 2), np.eye(3), np.diag([0.3, 0.2, 0.1]) ** 2)
    model = replace(scenario.model, label_error=law)
    spectra, known = scenario.spectra[:16], {"method": method, "prior": "flat", "draws": 400}
    before, after = (bc.infer(m, spectra, **known) for m in (scenario.model, model))
    variance = [np.einsum("nii->ni", p["point"]["cov"].values) for p in (before, after)]
    added = np.sqrt(np.mean(variance[1] - variance[0], axis=0)) / model.scaling.scale
    np.testing.assert_allclose(added, [0.3, 0.2, 0.1], rtol=0.1)
    part = bc.infer(model, spectra[8:], **known)
    np.testing.assert_allclose(
        part["posterior"]["teff"].values, after["posterior"]["teff"].values[..., 8:], rtol=1e-9
    )


@pytest.mark.parametrize("n_star", [40])
def test_few_stars_pass_through_the_same_code(scenario, n_star):
    """Labels with errors of half their spread, 40 stars, 64 pixels: told, and no NaN."""
    rng = np.random.default_rng(9)
    values = np.column_stack([np.asarray(scenario.labels[n]) for n in ("teff", "logg", "feh")])
    errors = (30.0, 0.1, 0.06)
    noisy = (values + errors * rng.normal(size=values.shape))[:n_star]
    table = label_table(scenario.spectra.star_id[:n_star], noisy, errors)
    recipe = recipe_of("teff", "logg", "feh")
    settings = replace(recipe.training, noisy_labels=True, label_errors={})
    model = bc.train(scenario.spectra[:n_star], table, replace(recipe, training=settings))
    assert any("stars for" in line for line in model.report["warnings"]) == (n_star < 40)
    post = bc.infer(model, scenario.spectra[100:], method="importance", draws=100)
    mean, sd = post["point"]["mean"].values, np.sqrt(
        np.einsum("nii->ni", post["point"]["cov"].values)
    )  # fmt: skip
    assert np.isfinite(mean).all()
    z = np.std((mean - values[100:]) / sd, axis=0)
    assert (z < 1.5).all()
