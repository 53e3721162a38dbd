"""What lies between a catalogue's labels and those that spectra show: whose error is it?

For a star that training has not seen,

    catalogue - inferred = e_model + e_catalogue + e_spectrum,
    e_model ~ t_nu(0, Sm g (1 + h)),   e_catalogue ~ N(0, f^2 S (1 + h)),   e_spectrum ~ N(0, P).

S are the errors that the catalogue states; they are believed within ln f ~ N(0, prior). P is the
posterior covariance from the spectrum alone, h the leverage of the star in the regression that
fixes the label scale, g = (h / typical h)^growth. Sm is the model's error in label space: what
spectra do that the model does not describe, seen in the labels. It is exactly zero unless the
data want it.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.stats import gamma

from bayescannon.typing import Array, Scalar, StarLabels, Stars

TAILS = (5.0, 10.0, np.inf)
"""Degrees of freedom that are tried; 3 is too wide on real spectra."""
GROWTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
N_SCALE = 10
"""Points that stand for the precision of a Student error."""
LEAST_LEVERAGE = 1e-4
UNKNOWN = 1e8
"""Variance, in units of the stated one, of a label that the catalogue does not have."""
PENALTY = 1.0
"""On each sd of the model's error in units of the stated error: it takes data to open one."""


class Residuals(NamedTuple):
    """What stars that training has not seen say; in scaled labels."""

    missed: StarLabels
    """Catalogue less inferred; NaN where the catalogue has none."""
    own: Float[Array, "star label label"]
    leverage: Stars
    shown: StarLabels
    """Labels as inferred."""

    def of(self, labels) -> "Residuals":
        """Keep some of the labels."""
        i = np.asarray(labels, int)
        own = self.own[:, i][:, :, i]
        return Residuals(self.missed[:, i], own, self.leverage, self.shown[:, i])


ABSURD = 1e12
"""Minus ln posterior where it cannot be computed."""
LARGEST = 1e4
"""Largest error of the model, in units of the stated errors."""


class ErrorBudget(NamedTuple):
    """The law above as found, and how well it describes the stars.

    `gain` is what the model's error gains in ln posterior, `needed` what it had to gain;
    `log_density` (star,) that of each star's missed labels.
    """

    covariance: Float[np.ndarray, "label label"]
    scale: Float[np.ndarray, "label"]
    degrees: float
    growth: float
    typical: float
    gain: float
    needed: float
    log_density: Float[np.ndarray, "star"]

    def total(self, residuals: Residuals, variance: StarLabels) -> np.ndarray:
        """Covariance of each star's missed labels (star, label, label), tails included.

        Parameters are those of `fit_budget`.
        """
        h = np.maximum(np.asarray(residuals.leverage), LEAST_LEVERAGE)[:, None, None]
        model = (h / self.typical) ** self.growth * self.model_covariance
        stated = np.nan_to_num(variance * self.scale**2)[:, :, None] * np.eye(len(self.scale))
        return (1.0 + h) * (model + stated) + np.asarray(residuals.own)

    @property
    def model_covariance(self) -> np.ndarray:
        """Covariance of the model's error, tails included, at the typical leverage."""
        inflation = self.degrees / (self.degrees - 2.0) if np.isfinite(self.degrees) else 1.0
        return inflation * self.covariance


class _Stars(NamedTuple):
    """Residuals in units of the typical stated error, padded."""

    missed: Array
    own: Array
    stated: Array
    leverage: Array
    known: Array


def fit_budget(
    residuals: Residuals,
    variance: StarLabels,
    prior_ln_scale: float,
    tails: tuple[float, ...] = TAILS,
    growths: tuple[float, ...] = GROWTHS,
) -> ErrorBudget:
    """Share out the errors.

    Parameters
    ----------
    residuals : Residuals
        Of held-out stars.
    variance : (star, label)
        Stated variances of the catalogue's labels.
    prior_ln_scale : float
        Sd of ln f; inf believes no stated error.
    tails, growths : tuple of float
        Degrees of freedom and exponents of growth to choose from; none of both refuses the
        model any error.

    Returns
    -------
    ErrorBudget
    """
    stars, typical = _prepare(residuals, variance)
    n_star, n_label = residuals.missed.shape
    h = np.maximum(np.asarray(residuals.leverage), LEAST_LEVERAGE)
    middle = float(np.median(h))
    h = np.pad(h, (0, len(stars.known) - n_star), constant_values=middle)
    fit = partial(_fit, stars, prior_ln_scale)
    best = fit(np.ones(len(h)), np.inf, opened=False)
    law, found = (np.inf, 0.0), best
    needed = 0.25 * n_label * (n_label + 1) * np.log(n_star)
    gain = 0.0
    if tails:
        tried = [(fit((h / middle) ** g, tails[0]), g) for g in growths]
        first = tried[0]
        top = min(tried, key=lambda one: one[0].objective)
        grown = first[0].objective - top[0].objective > 0.5 * np.log(n_star)
        found, growth = top if grown else first
        law = (tails[0], growth)
        for nu in tails[1:]:
            other = fit((h / middle) ** growth, nu)
            if other.objective < found.objective:
                found, law = other, (nu, growth)
        gain = best.objective - found.objective
        if gain <= needed:
            found, law = best, (np.inf, 0.0)
    density = np.asarray(found.log_density)[:n_star] - np.log(typical).sum()
    covariance = found.covariance * np.outer(typical, typical)
    return ErrorBudget(covariance, found.scale, *law, middle, gain, needed, density)


class _Found(NamedTuple):
    objective: float
    covariance: np.ndarray
    scale: np.ndarray
    log_density: Array


def _prepare(residuals: Residuals, variance: StarLabels) -> tuple[_Stars, np.ndarray]:
    known = np.isfinite(residuals.missed)
    count = np.maximum(known.sum(axis=0), 1)
    typical = np.sqrt(np.where(known, variance, 0.0).sum(axis=0) / count)
    typical = np.where(typical > 0, typical, 1.0)
    missed = np.where(known, residuals.missed, 0.0) / typical
    own = np.asarray(residuals.own) / np.outer(typical, typical)
    stated = np.where(known, variance / typical**2, UNKNOWN)
    use = known.any(axis=1).astype(float)
    extra = -len(missed) % 256
    parts = (missed, own, stated, residuals.leverage, use)
    padded = (np.pad(a, ((0, extra), *[(0, 0)] * (np.ndim(a) - 1))) for a in parts)
    stars = _Stars(*map(jnp.asarray, padded))
    # padding has no stated error: any will do
    stated = jnp.where(stars.known[:, None] > 0, stars.stated, 1.0)
    return stars._replace(stated=stated), typical


def _fit(stars: _Stars, prior: float, growth: np.ndarray, degrees: float, opened=True) -> _Found:
    """Maximise the posterior of Sm (its root) and ln f, from a large and from a small Sm."""
    n_label = stars.missed.shape[1]
    row, column = np.tril_indices(n_label)
    mix = np.ones(N_SCALE)
    if np.isfinite(degrees):
        mix = gamma.ppf((np.arange(N_SCALE) + 0.5) / N_SCALE, degrees / 2, scale=2 / degrees)
    known = (jnp.asarray(growth), jnp.asarray(mix), jnp.asarray(float(opened)))
    believed = jnp.asarray(prior**-2)

    def objective(x):
        value, slope = _slope(jnp.asarray(x), stars, *known, believed)
        if not np.isfinite(value):  # too far away to be told: the line search comes back
            return ABSURD, np.zeros(len(x))
        return float(value), np.nan_to_num(np.asarray(slope))

    total = np.mean(np.square(stars.missed), axis=0) - np.einsum("nii->i", stars.own) / len(growth)
    starts = (np.sqrt(np.maximum(np.asarray(total) - 1.0, 1e-3)), np.full(n_label, 0.05))
    found = []
    for size in starts if opened else starts[:1]:
        x = np.zeros(len(row) + n_label)
        x[: len(row)][row == column] = 0.8 * size
        bounds = [(-LARGEST, LARGEST)] * len(row) + [(-3.0, 3.0)] * n_label
        found.append(minimize(objective, x, jac=True, method="L-BFGS-B", bounds=bounds))
    best = min(found, key=lambda one: one.fun)
    root = np.zeros((n_label, n_label))
    root[row, column] = best.x[: len(row)] * opened
    density = _log_density(jnp.asarray(best.x), stars, *known)
    return _Found(float(best.fun), root @ root.T, np.exp(best.x[len(row) :]), density)


@jax.jit
def _log_density(x: Array, stars: _Stars, growth: Array, mix: Array, opened: Scalar) -> Array:
    """ln density of every star's residuals, (star,)."""
    n_label = stars.missed.shape[1]
    row, column = np.tril_indices(n_label)
    root = jnp.zeros((n_label, n_label)).at[row, column].set(x[: len(row)])
    model, scale = opened * root @ root.T, jnp.exp(2 * x[len(row) :])
    size = (1.0 + stars.leverage)[:, None]
    wide = size * growth[:, None] / mix[None]  # (star, point)
    total = {}
    for i, j in zip(row, column, strict=True):
        total[i, j] = model[i, j] * wide + stars.own[:, i, j][:, None]
        if i == j:
            given = stars.stated[:, i] < UNKNOWN  # f is no matter of labels that nobody gave
            variance = jnp.where(given, scale[i] * stars.stated[:, i], UNKNOWN)
            total[i, i] = total[i, i] + size * variance[:, None]
    distance, log_det = _whitened(total, stars.missed)
    density = -0.5 * (distance + log_det + n_label * jnp.log(2 * jnp.pi))
    return jax.scipy.special.logsumexp(density, axis=1) - np.log(N_SCALE)


def _whitened(total: dict, missed: Array) -> tuple[Array, Array]:
    """Squared distance and ln determinant by Cholesky's algorithm, for many small matrices."""
    n_label = missed.shape[1]
    root, white = {}, []
    distance, log_det = jnp.zeros(()), jnp.zeros(())
    for i in range(n_label):
        for j in range(i + 1):
            left = total[i, j] - sum(root[i, k] * root[j, k] for k in range(j))
            root[i, j] = jnp.sqrt(left) if i == j else left / root[j, j]
        off = missed[:, i][:, None] - sum(root[i, k] * white[k] for k in range(i))
        white.append(off / root[i, i])
        distance = distance + white[i] ** 2 if i else white[i] ** 2
        log_det = log_det + 2 * jnp.log(root[i, i]) if i else 2 * jnp.log(root[i, i])
    return distance, log_det


@jax.jit
@jax.value_and_grad
def _slope(x, stars: _Stars, growth, mix, opened, believed) -> Scalar:
    """Minus ln posterior."""
    n_label = stars.missed.shape[1]
    row, column = np.tril_indices(n_label)
    root = jnp.zeros((n_label, n_label)).at[row, column].set(x[: len(row)])
    sd = jnp.sqrt(jnp.sum(root**2, axis=1) + 1e-6)
    density = jnp.sum(stars.known * _log_density(x, stars, growth, mix, opened))
    doubt = 0.5 * believed * jnp.sum(x[len(row) :] ** 2)
    return -density + opened * PENALTY * jnp.sum(sd) + doubt
