"""Where joint training begins: regression calibration, and factors from what it leaves."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from bayescannon.labels import features
from bayescannon.training.layout import Layout, Parameters, Population
from bayescannon.training.loadings import fit_loadings, learn_prior
from bayescannon.training.stars import Data
from bayescannon.typing import Array, StarLabels

OVERSAMPLE = 10
POWER_STEPS = 6
FIRST_SCATTER2 = 0.01**2
SHRINKING_ROUNDS = 3
FACTOR_STEP = 4
"""Columns for factors come in such steps, so that most trainings share compiled programs."""
HOLD_OUT = 5
"""Every so many stars, one is held out to count the factors."""


def begin(
    layout: Layout,
    data: Data,
    known: tuple[StarLabels, StarLabels, Bool[np.ndarray, "star"]],
    usable: Bool[np.ndarray, "pixel"],
    most: int,
    n_factor: int | None,
) -> tuple[Layout, Parameters, Array, Array]:
    """Regression calibration without factors, then factors from the residuals.

    Parameters
    ----------
    layout : Layout
        Without factors.
    data : Data
    known : tuple
        Scaled catalogue labels, their variances, and which stars train.
    usable : (pixel,)
    most : int
        Largest number of factors.
    n_factor : int, optional
        Columns for factors, those not found left zero; enough for all found if not given.

    Returns
    -------
    layout, parameters
        With factors.
    own : (star, latent)
        What each star gave to the loadings.
    labels : (star, label)
    """
    observed, variance, use = known
    begun = calibrate_labels(observed, variance, use)
    extra = len(data.use) - len(use)
    labels = jnp.asarray(np.pad(begun.labels, ((0, extra), (0, 0))))
    v = layout.features(labels) * data.use[:, None]
    p = _empty(layout, len(usable), begun.population)
    p = fit_shrunk(layout, p, data, v, usable)
    found = _first_factors(layout, p, data, begun, v, usable, use, most)[:, :n_factor]
    columns = -(-found.shape[1] // FACTOR_STEP) * FACTOR_STEP if n_factor is None else n_factor
    found = np.pad(found, ((0, 0), (0, columns - found.shape[1])))
    full = Layout(layout.n_label, layout.degree, columns)
    row, column = full.pairs
    wider = ((0, 0), (0, columns), (0, columns))
    p = p._replace(
        loadings=jnp.concatenate([p.loadings, jnp.asarray(found, float)], axis=1),
        uncertainty=jnp.pad(layout.unpack(p.uncertainty), wider)[:, row, column],
    )
    return full, p, jnp.pad(v, ((0, 0), (0, columns))), labels


def first_parameters(layout: Layout, labels: StarLabels, usable) -> Parameters:
    """Parameters of a model of labels (star, label) that is still to be fitted."""
    n = labels.shape[1]
    mean, covariance = labels.mean(axis=0), np.cov(labels.T).reshape(n, n)
    population = Population(jnp.asarray(mean), jnp.asarray(covariance))
    return _empty(layout, len(usable), population)


def _empty(layout: Layout, n_pixel: int, population: Population) -> Parameters:
    return Parameters(
        loadings=jnp.zeros((n_pixel, layout.n_latent)),
        uncertainty=jnp.zeros((n_pixel, layout.pairs[0].size)),
        scatter2=jnp.full(n_pixel, FIRST_SCATTER2),
        population=population,
    )


def fit_shrunk(layout: Layout, p: Parameters, data: Data, v: Array, usable) -> Parameters:
    """Regress flux on features (star, latent), and learn the prior that shrinks coefficients."""
    known = (data.use, v, v[:, :, None] * v[:, None, :])
    p = fit_loadings(layout, p, data.blocks, *known, None, rounds=4)
    for _ in range(SHRINKING_ROUNDS):
        prior = learn_prior(layout, p, jnp.asarray(usable, float))
        p = fit_loadings(layout, p, data.blocks, *known, prior, rounds=2)
    return p


def _first_factors(layout: Layout, p: Parameters, data: Data, begun, v, usable, use, most: int):
    """Factors (pixel, factor) from what the regression leaves of the spectra that train."""
    rows = np.flatnonzero(use)
    ivar, s2 = data.ivar[rows], np.asarray(p.scatter2, np.float32)
    root = np.sqrt(ivar / (1 + ivar * s2)) * usable
    white = root * (data.flux[rows] - np.asarray(v[rows] @ p.loadings.T, np.float32))
    typical = np.sqrt(np.mean(root**2, axis=0))
    errors = label_error_directions(layout, begun.labels[rows], begun.covariance, p.loadings)
    found = residual_factors(white, typical[:, None] * errors, most, seed=0)
    return found / np.maximum(typical, 1e-3 * typical.max())[:, None]


class Calibrated(NamedTuple):
    """What catalogue labels alone say of the true ones: mean, and a typical covariance."""

    population: Population
    labels: StarLabels
    covariance: Float[Array, "label label"]


def calibrate_labels(
    observed: StarLabels, variance: StarLabels, use: Bool[np.ndarray, "star"]
) -> Calibrated:
    """Take label errors out of the population, and pull each star's labels towards it.

    Parameters
    ----------
    observed, variance : (star, label)
        Scaled labels, NaN where missing, and the variance of their errors.
    use : (star,)
        Which stars tell of the population.

    Returns
    -------
    Calibrated
        A missing label is the population's mean.
    """
    x = observed
    known = np.isfinite(x).all(axis=1) & use
    noise = np.diag(np.where(known[:, None], variance, 0.0).sum(axis=0) / known.sum())
    mean = x[known].mean(axis=0)
    total = np.cov(x[known].T).reshape(noise.shape)
    # the truth keeps at least a tenth of the variance, however large the stated errors are
    scale, axes = np.linalg.eigh(total - noise)
    floor = 0.1 * np.linalg.eigvalsh(total)[0]
    truth = (axes * np.maximum(scale, floor)) @ axes.T
    gain = truth @ np.linalg.inv(truth + noise)
    labels = mean + np.where(np.isfinite(x), x - mean, 0.0) @ gain.T
    return Calibrated(
        Population(jnp.asarray(mean), jnp.asarray(truth)), labels, truth - gain @ truth
    )


def residual_factors(
    white: Float[np.ndarray, "star pixel"],
    directions: Float[np.ndarray, "pixel feature"],
    most: int,
    seed: int,
) -> Float[np.ndarray, "pixel factor"]:
    """Leading directions of whitened residuals, as many as held-out stars vouch for.

    Parameters
    ----------
    white : (star, pixel)
        Residuals divided by their standard deviation.
    directions : (pixel, feature)
        What label errors do to whitened spectra (a root of that covariance): taken out.
    most : int
        Largest number of factors.
    seed : int
        Of the randomised eigensolver.

    Returns
    -------
    (pixel, factor)
        Whitened factors.
    """
    held_out = np.arange(len(white)) % HOLD_OUT == 0
    axes, values = _leading(white[~held_out], directions, most, seed)
    size = _unbiased(values, white.shape[1] / (~held_out).sum())
    # what is gained by variance `size` instead of 1 along each axis, per held-out star
    along = np.mean((white[held_out] @ axes) ** 2, axis=0)
    along -= np.sum((directions.T @ axes) ** 2, axis=0)
    gain = 0.5 * along * (1 - 1 / size) - 0.5 * np.log(size)
    count = int(np.argmax(np.r_[0.0, np.cumsum(gain)]))
    axes, values = _leading(white, directions, count, seed)
    size = _unbiased(values, white.shape[1] / len(white))
    return axes * np.sqrt(size - 1.0)


def _leading(white: np.ndarray, directions: np.ndarray, count: int, seed: int):
    """Eigenvectors of the residual covariance less that of label errors, by subspace iteration."""
    n_star, n_pixel = white.shape
    columns = min(count + OVERSAMPLE, n_pixel, n_star)

    def times(x):
        return white.T @ (white @ x) / n_star - directions @ (directions.T @ x)

    basis = np.random.default_rng(seed).normal(size=(n_pixel, columns))
    for _ in range(POWER_STEPS):
        basis, _ = np.linalg.qr(times(basis))
    inner = basis.T @ times(basis)
    values, axes = np.linalg.eigh(0.5 * (inner + inner.T))
    largest = np.argsort(-values)[: min(count, columns)]
    return basis @ axes[:, largest], values[largest]


def _unbiased(values: np.ndarray, aspect: float) -> np.ndarray:
    """Variance along an axis of a spiked covariance, from the sample eigenvalue.

    Sample eigenvalues of unit noise reach (1 + sqrt(aspect))^2; a spike of variance l appears at
    l (1 + aspect / (l - 1)) (Baik & Silverstein 2006). Below the edge there is no spike.
    """
    b = values + 1 - aspect
    spike = 0.5 * (b + np.sqrt(np.maximum(b**2 - 4 * values, 0.0)))
    return np.where(values > (1 + np.sqrt(aspect)) ** 2, spike, 1.0 + 1e-3)


def label_error_directions(
    layout: Layout,
    labels: StarLabels,
    covariance: Float[Array, "label label"],
    coefficients: Float[Array, "pixel feature"],
) -> Float[np.ndarray, "pixel feature"]:
    """Root of the mean covariance that label errors give to spectra."""
    jacobian = jax.vmap(jax.jacfwd(lambda x: features(x, layout.degree)))(jnp.asarray(labels))
    mean = jnp.einsum("nij,jk,nlk->il", jacobian, jnp.asarray(covariance), jacobian)
    values, axes = np.linalg.eigh(np.asarray(mean) / len(labels))
    return np.asarray(coefficients) @ (axes * np.sqrt(np.maximum(values, 0.0)))
