"""Training of a pixel: the solver against the NumPyro program that defines it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import GAP, QUIET
from hypothesis import given, settings
from hypothesis import strategies as st
from numpyro.infer.util import log_density
from scipy.optimize import minimize_scalar

from bayescannon.labels import features
from bayescannon.training import Status, fit_pixels, pixel_program


@pytest.fixture(scope="module")
def v(scenario):
    return np.asarray(features(jnp.asarray(scenario.scaled)))


@pytest.fixture(scope="module")
def fit(scenario, v):
    return fit_pixels(*scenario.spectra.arrays(), v)


@jax.jit
def _log_density(theta, scatter2, v, flux, ivar):
    values = {"theta": theta, "scatter2": scatter2}
    return log_density(pixel_program, (v, flux, ivar), {}, values)[0]


@jax.jit
def _curved(theta, scatter2, *data):
    """Gradient of the program in theta, in posterior sd."""
    gradient = jax.grad(_log_density)(theta, scatter2, *data)
    covariance = jnp.linalg.inv(-jax.hessian(_log_density)(theta, scatter2, *data))
    return gradient * jnp.sqrt(jnp.diagonal(covariance))


def _restricted(scatter2, v, flux, ivar):
    """Integrate theta out of the program; exact, as the program is quadratic in theta."""
    origin = jnp.zeros(v.shape[1])
    gradient = jax.grad(_log_density)(origin, scatter2, v, flux, ivar)
    curvature = -jax.hessian(_log_density)(origin, scatter2, v, flux, ivar)
    best = jnp.linalg.solve(curvature, gradient)
    return _log_density(best, scatter2, v, flux, ivar) - 0.5 * jnp.linalg.slogdet(curvature)[1]


_slope = jax.jit(jax.grad(_restricted))
_bend = jax.jit(jax.grad(jax.grad(_restricted)))


def _pixel(scenario, v, pixel):
    flux, ivar = scenario.spectra.arrays()
    return jnp.asarray(v), jnp.asarray(flux[:, pixel]), jnp.asarray(ivar[:, pixel])


def test_the_program_is_the_gaussian_of_equation_1(scenario, v):
    rng = np.random.default_rng(0)
    for pixel in (0, GAP, 20, 63):
        vv, flux, ivar = (np.asarray(a) for a in _pixel(scenario, v, pixel))
        for scatter2 in (1e-8, 1e-4, 0.1):
            theta = scenario.coefficients[pixel] + rng.normal(size=10)
            by_hand = 0.0
            for n in np.flatnonzero(ivar > 0):
                variance = 1 / ivar[n] + scatter2
                by_hand -= 0.5 * np.log(2 * np.pi * variance)
                by_hand -= 0.5 * (flux[n] - vv[n] @ theta) ** 2 / variance
            program = _log_density(theta, scatter2, *_pixel(scenario, v, pixel))
            np.testing.assert_allclose(program, by_hand, rtol=1e-9)


def test_zero_gradient_of_the_program_at_the_solution(scenario, v, fit):
    good = np.flatnonzero(fit.status == Status.OK)
    inside, on_edge = 0, 0
    for pixel in good:
        arguments = _pixel(scenario, v, pixel)
        s2 = fit.scatter[pixel] ** 2
        assert np.abs(_curved(fit.coefficients[pixel], s2, *arguments)).max() < 1e-6
        slope = _slope(s2, *arguments)
        if s2 > 0:
            bend = _bend(s2, *arguments)
            assert bend < 0
            assert abs(slope) / np.sqrt(-bend) < 1e-3
            inside += 1
        else:
            assert slope < 0
            on_edge += 1
    assert inside > 50
    assert on_edge >= 3


def test_an_optimiser_finds_the_same_maximum(scenario, v, fit):
    """Brent's method on the restricted likelihood written with NumPy's least squares."""
    for pixel in (5, 30, 50):
        x, y, ivar = (np.asarray(a) for a in _pixel(scenario, v, pixel))
        x, y, ivar = x[ivar > 0], y[ivar > 0], ivar[ivar > 0]

        def minus_log(ln_s2, x=x, y=y, ivar=ivar):
            root = (1 / ivar + np.exp(ln_s2)) ** -0.5
            white = x * root[:, None]
            theta, rss, _, singular = np.linalg.lstsq(white, y * root, rcond=None)
            minus_log.theta = theta
            return 0.5 * rss[0] - np.log(root).sum() + np.log(singular).sum()

        bounds = (np.log(1e-7), np.log(0.01))
        found = minimize_scalar(minus_log, bounds=bounds, method="bounded", options={"xatol": 1e-9})
        minus_log(found.x)
        assert fit.scatter[pixel] == pytest.approx(np.exp(0.5 * found.x), rel=1e-4)
        np.testing.assert_allclose(fit.coefficients[pixel], minus_log.theta, atol=1e-7)


def test_scatter_is_unbiased_and_plain_likelihood_is_not():
    """Seed 11; 1500 stars x 300 pixels x 21 features; bound 4 Monte Carlo errors: 1 in 16,000."""
    rng = np.random.default_rng(11)
    x = np.asarray(features(jnp.asarray(rng.normal(size=(1500, 5)))))
    true, sigma = 0.02, rng.uniform(0.003, 0.015, (1500, 1)) * np.ones((1, 300))
    theta = 0.03 * rng.normal(size=(21, 300))
    y = x @ theta + np.hypot(true, sigma) * rng.normal(size=sigma.shape)
    fit = fit_pixels(y, sigma**-2, x)
    assert (fit.status == Status.OK).all()
    assert fit.iterations.mean() < 6
    restricted = fit.scatter**2 / true**2 - 1
    assert abs(restricted.mean()) < 4 * restricted.std() / np.sqrt(300)
    plain = _plain_likelihood(x, y, sigma) / true**2 - 1
    assert plain.mean() < -4 * plain.std() / np.sqrt(300)
    # the paired difference is nearly free of noise: p (s^2 + sigma^2) / (n s^2), weighted
    assert 0.014 < (restricted - plain).mean() < 0.022


def _plain_likelihood(x, y, sigma):
    """Scatter squared that maximises the likelihood with theta at its best, by scoring."""
    s2 = np.full(y.shape[1], 4e-4)
    for _ in range(15):
        w = 1 / (sigma**2 + s2)
        normal = np.einsum("np,ni,nj->pij", w, x, x, optimize=True)
        theta = np.linalg.solve(normal, ((w * y).T @ x)[..., None])[..., 0]
        residual = y - x @ theta.T
        s2 = s2 + (w**2 * residual**2 - w).sum(axis=0) / (w**2).sum(axis=0)
    return s2


def test_scatter_and_coefficients_are_those_that_went_in(scenario, fit):
    """Seed of the small scenario; z scores of 60 scatters: mean within 4 / sqrt(60)."""
    good = (fit.status == Status.OK) & (scenario.scatter > 0)
    error = fit.scatter[good] / scenario.scatter[good] - 1
    assert abs(np.mean(error)) < 4 * np.std(error) / np.sqrt(good.sum())
    assert np.abs(error).max() < 0.4
    assert (fit.scatter[QUIET] == 0).sum() >= 3
    away = fit.coefficients[good] - scenario.coefficients[good]
    assert np.abs(away).max() < 6 * 0.03 / np.sqrt(190)


def test_pixels_that_cannot_be_fitted_are_marked(scenario, v):
    flux, ivar = (a.copy() for a in scenario.spectra.arrays())
    ivar[:, 1] = 0
    flux[:, 2] = 0
    flux[:, 3] = 0
    ivar[:, 3] = 0
    ivar[11:, 4] = 0  # 11 stars at most for 10 coefficients and the scatter
    fit = fit_pixels(flux, ivar, v)
    for pixel in (1, 3, 4, GAP):
        assert fit.status[pixel] == Status.FEW_STARS
    for pixel in (1, 2, 3, 4, GAP):
        assert (fit.coefficients[pixel] == 0).all()
        assert fit.scatter[pixel] == 0
    assert fit.status[2] == Status.OK  # all measured, all zero: a model of zero fits
    assert (fit.status[8:] == Status.OK).all()
    assert (fit.status != Status.NOT_CONVERGED).all()


def test_features_that_repeat_are_singular_and_do_not_stop_the_others(scenario, v):
    flux, ivar = (a[:, :8].copy() for a in scenario.spectra.arrays())
    ivar[scenario.scaled[:, 0] > -0.5, 0] = 0
    same = np.where(scenario.scaled[:, :1] > -0.5, v, np.r_[v[0, :9], v[0, 8]])
    fit = fit_pixels(flux, ivar, same)
    assert fit.status[0] in (Status.SINGULAR, Status.NOT_CONVERGED)
    assert (fit.coefficients[0] == 0).all()
    assert (fit.status[1:7] == Status.OK).all()


def test_flux_of_missing_pixels_does_not_matter(scenario, v, fit):
    flux, ivar = (a.copy() for a in scenario.spectra.arrays())
    flux[ivar == 0] = 1e6
    np.testing.assert_array_equal(fit_pixels(flux, ivar, v).coefficients, fit.coefficients)


def test_order_of_stars_and_pixels_does_not_matter(scenario, v, fit):
    flux, ivar = scenario.spectra.arrays()
    rng = np.random.default_rng(3)
    stars, pixels = rng.permutation(200), rng.permutation(64)
    again = fit_pixels(flux[stars], ivar[stars], v[stars])
    np.testing.assert_allclose(again.coefficients, fit.coefficients, atol=1e-10)
    np.testing.assert_allclose(again.scatter, fit.scatter, atol=1e-10)
    again = fit_pixels(flux[:, pixels], ivar[:, pixels], v)
    np.testing.assert_allclose(again.coefficients, fit.coefficients[pixels], atol=1e-12)
    np.testing.assert_array_equal(again.status, fit.status[pixels])


def test_a_pixel_does_not_depend_on_its_neighbours(scenario, v, fit):
    flux, ivar = scenario.spectra.arrays()
    alone = fit_pixels(flux[:, 30:31], ivar[:, 30:31], v)
    np.testing.assert_allclose(alone.coefficients[0], fit.coefficients[30], atol=1e-13)
    assert alone.iterations[0] == fit.iterations[30]
    wild = np.concatenate([1e3 * flux[:, :9] ** 9, flux[:, 30:31]], axis=1)
    beside = fit_pixels(wild, ivar[:, 21:31], v)
    np.testing.assert_allclose(beside.coefficients[9], fit.coefficients[30], atol=1e-13)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(
    shift=st.lists(st.floats(-3, 3), min_size=3, max_size=3),
    stretch=st.lists(st.floats(0.2, 5), min_size=3, max_size=3),
)
def test_predictions_do_not_depend_on_how_labels_are_scaled(scenario, v, fit, shift, stretch):
    other = scenario.scaled * np.array(stretch) + np.array(shift)
    x = np.asarray(features(jnp.asarray(other)))
    again = fit_pixels(*scenario.spectra.arrays(), x)
    np.testing.assert_array_equal(again.status, fit.status)
    np.testing.assert_allclose(again.scatter, fit.scatter, atol=1e-9)
    np.testing.assert_allclose(x @ again.coefficients.T, v @ fit.coefficients.T, atol=1e-8)


def test_progress_counts_pixels(scenario, v):
    flux, ivar = (np.tile(a, (1, 5)) for a in scenario.spectra.arrays())
    done = []
    fit_pixels(flux, ivar, v, done.append)
    assert done == [256, 320]
