"""Bayesian regression of a label on features of what spectra show, for stars of one state."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jaxtyping import Bool, Float, Int
from scipy.special import logsumexp

from bayescannon.labels import features, monomials
from bayescannon.training.noise import NoiseBudget
from bayescannon.typing import Array, Stars

N_DRAW = 100
"""Draws of the posterior that travel with a model."""
ROUNDS = 40
COARSE = 7
"""Every so many-th node is tried until the errors of x are settled."""
FLAT = 100.0
"""Prior variance of the constant and of the terms linear in labels."""


class Shown(NamedTuple):
    """What spectra show of stars: scaled direct labels and then factors, mean and covariance."""

    mean: Float[np.ndarray, "star input"]
    covariance: Float[np.ndarray, "star input input"]
    n_label: int

    def turned(self, turn: Float[Array, "factor direction"]) -> "Shown":
        """Keep some directions of the factors."""
        n_factor, n_direction = turn.shape
        change = np.zeros((self.n_label + n_factor, self.n_label + n_direction))
        change[: self.n_label, : self.n_label] = np.eye(self.n_label)
        change[self.n_label :, self.n_label :] = turn
        covariance = np.einsum("ji,njk,kl->nil", change, self.covariance, change)
        return Shown(self.mean @ change, covariance, self.n_label)

    def of(self, stars: Bool[np.ndarray, "star"]) -> "Shown":
        """Some of the stars."""
        return Shown(self.mean[stars], self.covariance[stars], self.n_label)


class Fitted(NamedTuple):
    """Posterior of one state's regression."""

    coefficients: Float[np.ndarray, "draw feature"]
    scatter: Float[np.ndarray, "draw"]
    error_scale: Float[np.ndarray, "draw"]
    width: Float[np.ndarray, "feature"]
    """Prior sd of every coefficient."""
    missed: Float[np.ndarray, ""]
    """Mean square of (catalogue - expected), what the label errors of the spectrum do taken out."""

    @property
    def f2(self) -> float:
        """Mean of f^2."""
        return float(np.mean(self.error_scale**2))

    @property
    def tau2(self) -> float:
        """Mean of tau^2."""
        return float(np.mean(self.scatter**2))

    @property
    def mean(self) -> Float[np.ndarray, "feature"]:
        """Mean of the coefficients."""
        return self.coefficients.mean(axis=0)


def kinds(n_label: int, n_input: int) -> Int[np.ndarray, "feature"]:
    """Say what each feature is: 0 constant or a label, 1 labels, 2 to 4 with factors in them.

    2 is a factor, 3 label times factor, 4 factor times factor. Each kind but 0 has a prior
    variance of its own, learned with the rest.
    """
    powers = monomials(n_input, 2)
    in_label = ((powers > 0) & (powers <= n_label)).sum(axis=1)
    in_factor = (powers > n_label).sum(axis=1)
    table = {(0, 0): 0, (1, 0): 0, (2, 0): 1, (0, 1): 2, (1, 1): 3, (0, 2): 4}
    pairs = zip(in_label.tolist(), in_factor.tolist(), strict=True)
    return np.array([table[pair] for pair in pairs])


def relation_program(
    v: Float[Array, "star feature"],
    observed: Stars | None,
    stated: Stars,
    own: Stars,
    width: Float[Array, "feature"],
    prior_ln_scale: float,
) -> None:
    """Define the regression of one state as a NumPyro program.

    Parameters
    ----------
    v : (star, feature)
        Expected features of what the spectra show.
    observed, stated : (star,)
        Catalogue values and the variance of their errors as stated.
    own : (star,)
        Variance that the spectra's own errors give to g . v.
    width : (feature,)
        Prior sd of every coefficient: of most by evidence, one for each of `kinds`.
    prior_ln_scale : float
        Sd of ln f.
    """
    g = numpyro.sample("coefficients", dist.Normal(0.0, width).to_event(1))
    tau = numpyro.sample("scatter", dist.HalfNormal(1.0))
    f = numpyro.sample("error_scale", dist.LogNormal(0.0, prior_ln_scale))
    sd = jnp.sqrt(jnp.asarray(tau) ** 2 + jnp.asarray(f) ** 2 * stated + own)
    numpyro.sample("observed", dist.Normal(v @ jnp.asarray(g), sd), obs=observed)


def expected_features(shown: Shown) -> tuple[np.ndarray, np.ndarray]:
    """E[v(x)] (star, feature), and the slope dv/dx at the mean (star, feature, input)."""
    mean = jnp.asarray(shown.mean)
    v, slope = np.array(features(mean)), np.asarray(jax.vmap(jax.jacfwd(features))(mean))
    first, second = monomials(shown.mean.shape[1], 2).T - 1
    product = (first >= 0) & (second >= 0)
    v[:, product] += shown.covariance[:, first[product], second[product]]
    return v, slope


def own_variance(shown: Shown, slope, coefficients) -> Stars:
    """Variance that the spectra's own errors give to coefficients . v."""
    along = np.einsum("nfi,f->ni", slope, coefficients)
    return np.einsum("ni,nij,nj->n", along, shown.covariance, along)


def regress(
    shown: Shown,
    observed: Stars,
    stated: Stars,
    noise: NoiseBudget,
    rng: np.random.Generator,
    kind: Int[np.ndarray, "feature"] | None = None,
) -> Fitted:
    """Draw from the posterior of one state's regression.

    The sizes of the kinds of coefficients are at their maximum by evidence (EM); tau and f are on
    a grid of nodes; the coefficients are Gaussian given both.

    Parameters
    ----------
    shown, observed, stated
        As for `fit_relation`, of the stars of the state.
    noise : NoiseBudget
    rng : Generator
    kind : (feature,), optional
        See `kinds`; features of kind -1 are left out.

    Returns
    -------
    Fitted
    """
    v, slope = expected_features(shown)
    kind = kinds(shown.n_label, shown.mean.shape[1]) if kind is None else kind
    v = np.where(kind < 0, 0.0, v)
    nodes = noise.nodes(np.mean(stated), np.var(observed))
    own, size, best = np.zeros(len(v)), np.ones(5), len(nodes.tau2) // 2
    for every in (COARSE, COARSE, 1):
        size = _sizes(v, observed, nodes.variance(best, stated) + own, kind, size)
        tried = range(0, len(nodes.tau2), every)
        solved = [_solve(v, observed, nodes.variance(i, stated) + own, kind, size) for i in tried]
        log_p = nodes.log_prior[::every] + np.array([s.log_evidence for s in solved])
        top = solved[int(np.argmax(log_p))]
        best = every * int(np.argmax(log_p))
        own = own_variance(shown, slope, top.mean)
    chosen = rng.choice(len(log_p), size=N_DRAW, p=np.exp(log_p - logsumexp(log_p)))
    draws = [solved[i].draw(rng) for i in chosen]
    missed = np.mean((observed - v @ top.mean) ** 2 - own)
    f = np.sqrt(nodes.f2[chosen])
    width = _precision(kind, size) ** -0.5
    return Fitted(np.array(draws), np.sqrt(nodes.tau2[chosen]), f, width, missed)


class Solved(NamedTuple):
    """Gaussian posterior of coefficients, and ln evidence."""

    mean: np.ndarray
    root: np.ndarray
    """Cholesky factor of the precision."""
    log_evidence: float

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        return self.mean + np.linalg.solve(self.root.T, rng.normal(size=len(self.mean)))


def _precision(kind: np.ndarray, size: np.ndarray) -> np.ndarray:
    return 1.0 / np.where(kind <= 0, FLAT, size[np.maximum(kind, 0)])


def _solve(v, observed, variance, kind, size) -> Solved:
    prior, weight = _precision(kind, size), 1.0 / variance
    root = np.linalg.cholesky((v * weight[:, None]).T @ v + np.diag(prior))
    white = np.linalg.solve(root, v.T @ (weight * observed))
    log_det = np.sum(np.log(prior)) + np.sum(np.log(weight)) - 2 * np.sum(np.log(root.diagonal()))
    fit = np.sum(weight * observed**2) - white @ white
    return Solved(np.linalg.solve(root.T, white), root, 0.5 * (log_det - fit))


def _sizes(v, observed, variance, kind, size) -> np.ndarray:
    """Prior variances of the kinds of coefficients, by EM."""
    for _ in range(ROUNDS):
        s = _solve(v, observed, variance, kind, size)
        inverse = np.linalg.inv(s.root)
        second = s.mean**2 + np.sum(inverse**2, axis=0)
        size = _mean_of_kinds(second, kind, size)
    return size


def _mean_of_kinds(second: np.ndarray, kind: np.ndarray, size: np.ndarray) -> np.ndarray:
    there = [k for k in range(1, 5) if (kind == k).any()]
    out = size.copy()
    out[there] = [max(second[kind == k].mean(), 1e-8) for k in there]
    return out
