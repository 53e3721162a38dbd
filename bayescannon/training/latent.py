"""What a spectrum says about the latent vector u of its star while the model is being trained.

u holds the features of the direct labels, then the factors: flux_p = loadings_p . u + noise.
Carried labels (mass, age) touch the spectrum only through the factors, z = Gamma w(l) + N(0, 1),
where w(l) are the features with a carried label in them. A coefficient of its own in every pixel
would lend a carried label spurious information of the order of pixels / stars.
"""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.linalg import cho_solve
from jax.scipy.special import logsumexp
from jaxtyping import Float
from scipy.stats import norm, qmc

from bayescannon.batches import map_stars, unpack
from bayescannon.labels import features, monomials
from bayescannon.typing import Array, Pixels, Scalar, StarLabels, StarPixels, Stars

N_POINTS = 64
"""Half the number of points that stand for a star's posterior."""
NEWTON_STEPS = 20
CLOSE = 1e-4
"""A maximum is found when a step promises less gain in ln p than half of this."""
STARS_AT_ONCE = 64
EDGE = 0.1
"""Width of the soft bounds, in units of the range between them."""
PIXELS_AT_ONCE = 64
MOST_LEVERAGE = 0.98
"""A star that alone decides a pixel's loadings cannot be left out of them."""


@dataclass(frozen=True)
class Layout:
    """Which entry of u is what; hashable, so that compiled programs can depend on it."""

    n_label: int
    degree: int
    carried: tuple[int, ...]
    n_factor: int

    @cached_property
    def direct(self) -> np.ndarray:
        """Labels that the spectrum shows itself."""
        return np.setdiff1d(np.arange(self.n_label), self.carried)

    @cached_property
    def _with_carried(self) -> np.ndarray:
        return np.isin(monomials(self.n_label, self.degree) - 1, self.carried).any(axis=1)

    @cached_property
    def spectral(self) -> np.ndarray:
        """Features of direct labels only: the first entries of u."""
        return np.flatnonzero(~self._with_carried)

    @cached_property
    def through(self) -> np.ndarray:
        """Features with a carried label, w(l)."""
        return np.flatnonzero(self._with_carried)

    @cached_property
    def linear(self) -> np.ndarray:
        """Entries of u that are a direct label itself."""
        powers = (monomials(self.n_label, self.degree)[self.spectral] > 0).sum(axis=1)
        return np.flatnonzero(powers == 1)

    @cached_property
    def carried_linear(self) -> np.ndarray:
        """Entries of w that are a carried label itself."""
        powers = (monomials(self.n_label, self.degree)[self.through] > 0).sum(axis=1)
        return np.flatnonzero(powers == 1)

    @property
    def n_spectral(self) -> int:
        """Number of features of direct labels."""
        return len(self.spectral)

    @property
    def n_latent(self) -> int:
        """Length of u."""
        return self.n_spectral + self.n_factor

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of a packed symmetric matrix over u."""
        return np.triu_indices(self.n_latent)

    def spectral_features(self, labels: StarLabels) -> Array:
        """Features of the direct labels: the first part of u, (star, spectral)."""
        return features(jnp.asarray(labels), self.degree)[:, self.spectral]

    def unpack(self, packed: Array) -> Array:
        """(..., pair) to (..., latent, latent)."""
        return unpack(packed, self.n_latent)

    def expansion(self, gamma: Array) -> jax.Array:
        """(latent, feature): u = expansion . v(l) where the factors are at their expectation."""
        out = jnp.zeros((self.n_latent, len(self.spectral) + len(self.through)))
        out = out.at[np.arange(self.n_spectral), self.spectral].set(1.0)
        return out.at[self.n_spectral :, self.through].set(gamma)


class Population(NamedTuple):
    """Direct labels are N(mean, covariance); a carried one is N(slope . v, variance) given them."""

    mean: Float[Array, "direct"]
    covariance: Float[Array, "direct direct"]
    slope: Float[Array, "carried spectral"]
    variance: Float[Array, "carried"]


class LabelPrior(NamedTuple):
    """What is believed of direct labels before the spectrum: the population, and soft bounds."""

    believed: Scalar
    """1 where the population counts, 0 where the spectrum shall speak alone."""
    low: Float[Array, "direct"]
    high: Float[Array, "direct"]

    @classmethod
    def population(cls, n_direct: int) -> "LabelPrior":
        """The population without bounds."""
        return cls(jnp.ones(()), jnp.full(n_direct, -jnp.inf), jnp.full(n_direct, jnp.inf))

    @classmethod
    def flat(cls, observed: Float[Array, "star direct"]) -> "LabelPrior":
        """The range of catalogue labels, NaN where not known."""
        bounds = (np.nanmin(observed, axis=0), np.nanmax(observed, axis=0))
        return cls(jnp.zeros(()), *map(jnp.asarray, bounds))


class Parameters(NamedTuple):
    """All that is learned; `uncertainty` is the packed covariance of each pixel's loadings."""

    loadings: Float[Array, "pixel latent"]
    uncertainty: Float[Array, "pixel pair"]
    scatter2: Pixels
    gamma: Float[Array, "factor through"]
    population: Population


class Cloud(NamedTuple):
    """Posterior of stars: weighted points in label space, and the factors given the labels."""

    labels: Float[Array, "star point label"]
    weight: Float[Array, "star point"]
    factors: Float[Array, "star point factor"]
    factor_covariance: Float[Array, "star factor factor"]
    log_evidence: Stars


class Moments(NamedTuple):
    """Posterior expectations of u, of w (features with a carried label), and of the labels."""

    u: Float[Array, "star latent"]
    uu: Float[Array, "star latent latent"]
    uw: Float[Array, "star latent through"]
    ww: Float[Array, "star through through"]
    labels: StarLabels
    covariance: Float[Array, "star label label"]


class Sums(NamedTuple):
    """What spectra say of u, pixels summed: -2 ln L = u.gram.u - 2 right.u + constant."""

    gram: Float[Array, "star latent latent"]
    right: Float[Array, "star latent"]
    constant: Stars

    def in_terms_of(self, back: Float[Array, "latent latent"]) -> "Sums":
        """Say the same of u' where u = back @ u'."""
        gram = jnp.einsum("ji,njk,kl->nil", back, self.gram, back)
        return Sums(gram, self.right @ back, self.constant)


@partial(jax.jit, static_argnames=("layout", "exact"))
def sum_pixels(
    layout: Layout,
    parameters: Parameters,
    flux: StarPixels,
    ivar: StarPixels,
    own: Float[Array, "star latent"],
    exact: bool = True,
) -> Sums:
    """Sum up the spectra of a block of stars.

    Parameters
    ----------
    layout, parameters
    flux, ivar : (star, pixel)
    own : (star, latent)
        E[u] of each star as it went into the loadings; 0 for stars that did not. The star is
        inferred with loadings that it has been left out of (Sherman & Morrison 1950).
    exact : bool
        False takes the curvature of the likelihood from the loadings of all stars without their
        uncertainty, and only its slope at `own` from those that leave the star out: as good where
        leverages are small, and several times faster.

    Returns
    -------
    Sums
        In expectation over the loadings' uncertainty if `exact`.
    """
    p = parameters
    flux, ivar = flux.astype(float), ivar.astype(float)
    weight = ivar / (1.0 + ivar * p.scatter2[None])
    measured = weight > 0
    left_out = _left_out if exact else _nearly_left_out
    gram, right = left_out(layout, p, weight, flux, own)
    log_weight = jnp.where(measured, jnp.log(jnp.where(measured, weight, 1.0)), 0.0)
    n_measured = jnp.sum(measured.astype(float), axis=1)
    constant = jnp.sum(weight * flux**2, axis=1) - jnp.sum(log_weight, axis=1)
    return Sums(gram, right, constant + n_measured * jnp.log(2 * jnp.pi))


def _left_out(layout: Layout, p: Parameters, weight, flux, own) -> tuple[Array, Array]:
    """Gram matrices and right-hand sides of a block of stars, few pixels at a time."""
    extra = -len(p.scatter2) % PIXELS_AT_ONCE
    pixels = ((0, 0), (0, extra)), ((0, extra), (0, 0))
    y, w = (jnp.pad(a, pixels[0]).T.reshape(-1, PIXELS_AT_ONCE, len(own)) for a in (flux, weight))
    loadings, packed = (
        jnp.pad(a, pixels[1]).reshape(-1, PIXELS_AT_ONCE, a.shape[1])
        for a in (p.loadings, p.uncertainty)
    )

    def add(total, part):
        y, w, loadings, packed = part
        along = (layout.unpack(packed).reshape(-1, layout.n_latent) @ own.T).reshape(
            PIXELS_AT_ONCE, layout.n_latent, len(own)
        )
        lever = jnp.minimum(w * jnp.einsum("pin,ni->pn", along, own), MOST_LEVERAGE)
        pull = w * (y - loadings @ own.T) / (1.0 - lever)
        without = jnp.transpose(loadings[:, :, None] - along * pull[:, None], (2, 1, 0))
        weighted = without * w.T[:, None]
        along = jnp.transpose(along, (2, 1, 0))
        gram = weighted @ jnp.swapaxes(without, 1, 2) + layout.unpack(w.T @ packed)
        gram += (along * (w**2 / (1.0 - lever)).T[:, None]) @ jnp.swapaxes(along, 1, 2)
        return (total[0] + gram, total[1] + jnp.einsum("nip,pn->ni", weighted, y)), None

    zero = jnp.zeros((len(own), layout.n_latent))
    zeros = (jnp.zeros((*zero.shape, layout.n_latent)), zero)
    found, _ = lax.scan(add, zeros, (y, w, loadings, packed))
    return found


def _nearly_left_out(layout: Layout, p: Parameters, weight, flux, own) -> tuple[Array, Array]:
    """The same by products of matrices over all pixels."""
    row, column = layout.pairs
    single = p.uncertainty.astype(jnp.float32)
    twice = np.where(row == column, 1.0, 2.0)[None]
    lever = (own[:, row] * own[:, column] * twice).astype(jnp.float32) @ single.T
    lever = jnp.minimum(weight * lever.astype(float), MOST_LEVERAGE)
    left = weight * (flux - own @ p.loadings.T) / (1.0 - lever)
    gram = weight @ (p.loadings[:, row] * p.loadings[:, column])
    gram = layout.unpack(gram)
    pull = (left**2).astype(jnp.float32) @ single
    slope = left @ p.loadings - jnp.einsum("nij,nj->ni", layout.unpack(pull.astype(float)), own)
    return gram, slope + jnp.einsum("nij,nj->ni", gram, own)


@partial(jax.jit, static_argnames="layout")
def infer_stars(
    layout: Layout,
    parameters: Parameters,
    sums: Sums,
    observed: StarLabels,
    precision: Float[Array, "star label label"],
    start: StarLabels,
    prior: LabelPrior,
) -> Cloud:
    """Posterior of labels and factors of a block of stars (the E-step).

    Parameters
    ----------
    layout, parameters, sums
    observed : (star, label)
    precision : (star, label, label)
        Catalogue labels, and the inverse covariance of what lies between them and those that the
        spectrum shows; 0 where the catalogue shall not count.
    start : (star, label)
        Where Newton's method begins.
    prior : LabelPrior

    Returns
    -------
    Cloud
    """
    one = partial(_one_star, layout, parameters.gamma, parameters.population, prior)
    stars = (*sums, observed, precision, start)
    return map_stars(lambda star: one(*star), stars, STARS_AT_ONCE)


def _one_star(
    layout: Layout,
    gamma: Array,
    population: Population,
    prior: LabelPrior,
    gram: Array,
    right: Array,
    constant: Scalar,
    observed: Array,
    precision: Array,
    start: Array,
) -> Cloud:
    k = layout.n_spectral
    expansion = layout.expansion(gamma)
    half = gram @ expansion
    inner = jnp.linalg.cholesky(jnp.eye(layout.n_factor) + gram[k:, k:])
    solved = cho_solve((inner, True), half[k:])
    solved_right = cho_solve((inner, True), right[k:])
    a = expansion.T @ half - half[k:].T @ solved
    b = right @ expansion - half[k:].T @ solved_right
    c = constant - right[k:] @ solved_right + 2 * jnp.sum(jnp.log(jnp.diagonal(inner)))

    def minus_log(scaled):
        v = features(scaled, layout.degree)
        spectrum = v @ a @ v - 2 * (v @ b) + c
        off = scaled - observed
        out = 0.5 * (spectrum + off @ precision @ off)
        out += _minus_log_population(layout, population, prior.believed, scaled, v)
        x = scaled[layout.direct]
        outside = jnp.maximum(prior.low - x, 0.0) + jnp.maximum(x - prior.high, 0.0)
        bounded = jnp.isfinite(prior.low)
        width = jnp.where(bounded, EDGE * (prior.high - prior.low), 1.0)
        return out + 0.5 * jnp.sum((outside / width) ** 2)

    def curvature(scaled):
        """Convex part of the Hessian: without the bend of v(l), which can point uphill."""
        slope = jax.jacfwd(lambda at: features(at, layout.degree))(scaled)
        x = scaled[layout.direct]
        beyond = (x < prior.low) | (x > prior.high)
        stiff = jnp.where(beyond, (EDGE * (prior.high - prior.low)) ** -2.0, 0.0)
        bent = jax.hessian(
            lambda at: _minus_log_population(
                layout, population, prior.believed, at, features(at, layout.degree)
            )
        )(scaled)
        return slope.T @ a @ slope + precision + bent + _on(layout, jnp.diag(stiff))

    mode, root = _maximum(minus_log, curvature, start)
    white = jnp.asarray(_points(layout.n_label))
    labels = mode[None] + white @ root.T
    log_weight = 0.5 * jnp.sum(white**2, axis=1) - jax.vmap(minus_log)(labels)
    total = logsumexp(log_weight)
    log_volume = jnp.sum(jnp.log(jnp.diagonal(root))) + 0.5 * layout.n_label * jnp.log(2 * jnp.pi)
    v = features(labels, layout.degree)
    factors = v @ expansion[k:].T + (solved_right[:, None] - solved @ v.T).T
    return Cloud(
        labels=labels,
        weight=jnp.exp(log_weight - total),
        factors=factors,
        factor_covariance=cho_solve((inner, True), jnp.eye(layout.n_factor)),
        log_evidence=total - jnp.log(len(white)) + log_volume,
    )


def _minus_log_population(
    layout: Layout, population: Population, believed: Scalar, scaled: Array, v: Array
) -> Array:
    factor = jnp.linalg.cholesky(population.covariance)
    away = scaled[layout.direct] - population.mean
    white = lax.linalg.triangular_solve(factor, away[:, None], left_side=True, lower=True)
    out = believed * (0.5 * jnp.sum(white**2) + jnp.sum(jnp.log(jnp.diagonal(factor))))
    carried = np.asarray(layout.carried, int)
    missed = scaled[carried] - population.slope @ v[layout.spectral]
    out += 0.5 * jnp.sum(missed**2 / population.variance + jnp.log(population.variance))
    return out + 0.5 * layout.n_label * jnp.log(2 * jnp.pi)


def _on(layout: Layout, of_direct: Array) -> jax.Array:
    """A matrix over the direct labels as one over all."""
    direct = layout.direct
    return jnp.zeros((layout.n_label,) * 2).at[np.ix_(direct, direct)].set(of_direct)


def _maximum(minus_log, curvature_of, start: Array) -> tuple[Array, Array]:
    """Levenberg's method: the maximum, and a root of the inverse curvature there."""
    gradient = jax.grad(minus_log)

    def step(state):
        x, value, damping, count, _ = state
        curvature, slope = curvature_of(x), gradient(x)
        size = jnp.diag(jnp.abs(jnp.diagonal(curvature)) + 1e-9)
        move = jnp.linalg.solve(curvature + damping * size, slope)
        trial = minus_log(x - move)
        better = trial <= value + 1e-9 * jnp.abs(value)
        return (
            jnp.where(better, x - move, x),
            jnp.where(better, trial, value),
            jnp.where(better, 0.2 * damping, 10 * jnp.maximum(damping, 1e-5)),
            count + 1,
            better & (slope @ move < CLOSE),
        )

    first = (start, minus_log(start), jnp.asarray(1e-3), jnp.asarray(0), jnp.asarray(False))
    x, *_ = lax.while_loop(lambda state: ~state[4] & (state[3] < NEWTON_STEPS), step, first)
    values, axes = jnp.linalg.eigh(curvature_of(x))
    # a direction without curvature is as wide as the labels themselves, whose scale is 1
    inverse = (axes / jnp.maximum(values, 1.0)[None]) @ axes.T
    return x, jnp.linalg.cholesky(inverse)


def _points(n_label: int) -> np.ndarray:
    """Antithetic Sobol points of a unit Gaussian, made to have exactly its first two moments."""
    uniform = qmc.Sobol(n_label, rng=1).random(N_POINTS)
    white = norm.ppf(np.clip(uniform, 1e-6, 1 - 1e-6))
    white = np.concatenate([white, -white])
    root = np.linalg.cholesky(white.T @ white / len(white))
    return np.linalg.solve(root, white.T).T


@partial(jax.jit, static_argnames="layout")
def moments(layout: Layout, cloud: Cloud, shift: StarLabels) -> Moments:
    """Take expectations over clouds whose labels are first moved by `shift` (star, label)."""

    def one(star: tuple[Cloud, Array]) -> Moments:
        cloud, shift = star
        labels = cloud.labels + shift[None]
        v = features(labels, layout.degree)
        u = jnp.concatenate([v[:, layout.spectral], cloud.factors], axis=1)
        w = v[:, layout.through]
        weighted = cloud.weight[:, None] * u
        mean = cloud.weight @ labels
        away = labels - mean[None]
        k = layout.n_spectral
        return Moments(
            u=cloud.weight @ u,
            uu=jnp.asarray(weighted.T @ u).at[k:, k:].add(cloud.factor_covariance),
            uw=weighted.T @ w,
            ww=(cloud.weight[:, None] * w).T @ w,
            labels=mean,
            covariance=(cloud.weight[:, None] * away).T @ away,
        )

    return map_stars(one, (cloud, shift), STARS_AT_ONCE)
