"""The sampling methods, one interface: a block of stars in, draws and their diagnostics out."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

from ..model import Model
from ..typing import Array
from .importance import importance
from .newton import Laplace
from .nuts import CHAINS, nuts
from .prior import Prior
from .star import sample_reference
from .summary import Summary

STARS_PER_NUTS = 64
"""Stars whose chains walk in step: each waits for the longest trajectory among them."""
MAX_KHAT = 0.7
MIN_PER_CHAIN = 4
"""Split R-hat needs as many."""


class Problem(NamedTuple):
    """A block of stars to sample; beyond `n_star` the rows are padding."""

    keys: jax.Array
    summary: Summary
    fit: Laplace
    prior: Prior
    model: Model
    flux: jax.Array
    ivar: jax.Array
    draws: int
    n_star: int

    @property
    def degree(self) -> int:
        """Degree of the features."""
        return self.model.recipe.labels.degree


class Sampled(NamedTuple):
    """Draws of scaled labels; what a method does not know is NaN."""

    draws: Float[np.ndarray, "star chain draw label"]
    khat: Float[np.ndarray, "star"]
    ess: Float[np.ndarray, "star"]
    rhat: Float[np.ndarray, "star"]
    divergences: Float[np.ndarray, "star"]


def sample_laplace(problem: Problem) -> Sampled:
    """Draw from the Gaussian at the highest maximum."""
    draws = np.asarray(_gaussian_draws(problem.keys, problem.fit, problem.draws))[:, None]
    return Sampled(draws, *_unknown(len(problem.keys), 4))


def sample_importance(problem: Problem) -> Sampled:
    """Resample weighted draws; `ess` is that of the published draws."""
    p = problem
    result = importance(p.keys, p.summary, p.fit, p.prior, p.draws, p.degree)
    draws = np.array(result.draws)[:, None]
    ess = 1.0 / (1.0 / p.draws + 1.0 / np.asarray(result.ess))
    return Sampled(draws, np.array(result.khat), ess, *_unknown(len(p.keys), 2))


def sample_nuts(problem: Problem) -> Sampled:
    """Run four chains a star that share the draws asked for."""
    stars = np.arange(problem.n_star)
    per_chain = _per_chain(problem.draws)
    n_label = problem.fit.mean.shape[1]
    draws = np.full((len(problem.keys), CHAINS, per_chain, n_label), np.nan)
    ess, rhat, divergences = _unknown(len(problem.keys), 3)
    for start in range(0, len(stars), STARS_PER_NUTS):
        part = stars[start : start + STARS_PER_NUTS]
        draws[part], ess[part], rhat[part], divergences[part] = _walk(problem, part)
    return Sampled(draws, _unknown(len(problem.keys), 1)[0], ess, rhat, divergences)


def sample_auto(problem: Problem) -> Sampled:
    """Importance sampling for all; NUTS where its weights cannot be trusted and one mode is known.

    With several modes the chains would not mix: the mixture of Gaussians at the modes, weighted,
    is the better answer even where k-hat is high.
    """
    first = sample_importance(problem)
    doubtful = ~(first.khat <= MAX_KHAT) & (np.asarray(problem.fit.n_modes) == 1)
    stars = np.flatnonzero(doubtful[: problem.n_star])
    for start in range(0, len(stars), STARS_PER_NUTS):
        part = stars[start : start + STARS_PER_NUTS]
        draws, ess, rhat, divergences = _walk(problem, part)
        joined = draws.reshape(len(part), 1, -1, draws.shape[-1])
        first.draws[part] = joined[:, :, : problem.draws]
        first.ess[part], first.rhat[part], first.divergences[part] = ess, rhat, divergences
    return first


def sample_full_pixels(problem: Problem) -> Sampled:
    """NumPyro's NUTS on all pixels, star by star."""
    model, n_label = problem.model, problem.fit.mean.shape[1]
    draws = np.full((len(problem.keys), CHAINS, problem.draws, n_label), np.nan)
    ess, rhat, divergences = _unknown(len(problem.keys), 3)
    for star in range(problem.n_star):
        good = np.asarray(problem.ivar[star] > 0) & model.usable
        if not good.any():
            continue
        pixels = (problem.flux[star], problem.ivar[star])
        parts = (model.coefficients, model.scatter, model.factors)
        arguments = (
            *(jnp.asarray(a[good]) for a in (*pixels, *parts)),
            problem.prior,
            n_label,
            problem.degree,
        )
        start = problem.fit.mean[star]
        with numpyro_rules():
            sample, bad = sample_reference(
                problem.keys[star], arguments, start, problem.draws, CHAINS
            )
        draws[star], divergences[star] = sample, bad.sum()
        (ess[star],), (rhat[star],) = _diagnose(np.asarray(sample)[None])
    return Sampled(draws, _unknown(len(problem.keys), 1)[0], ess, rhat, divergences)


SAMPLERS: dict[str, Callable[[Problem], Sampled]] = {
    "auto": sample_auto,
    "laplace": sample_laplace,
    "importance": sample_importance,
    "nuts": sample_nuts,
    "reference": sample_full_pixels,
}


@contextmanager
def numpyro_rules() -> Generator[None]:
    """Let NumPyro's own code promote dtypes and ranks, whatever the user's JAX settings."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def _walk(problem: Problem, stars: np.ndarray):
    """Run NUTS for some stars of the block, padded so that one program serves all calls."""
    padded = np.concatenate([stars, np.full(STARS_PER_NUTS - len(stars), stars[0])])
    keys, summary, fit = jax.tree.map(
        lambda a: a[padded], (problem.keys, problem.summary, problem.fit)
    )
    per_chain = _per_chain(problem.draws)
    with numpyro_rules():
        result = nuts(keys, summary, fit, problem.prior, per_chain, problem.degree)
    draws = np.asarray(result.draws)[: len(stars)]
    ess, rhat = _diagnose(draws)
    return draws, ess, rhat, np.asarray(result.divergences)[: len(stars)]


def _per_chain(draws: int) -> int:
    return max(-(-draws // CHAINS), MIN_PER_CHAIN)


def _diagnose(draws: Float[np.ndarray, "star chain draw label"]):
    """Return smallest effective sample size and largest split R-hat over the labels, (star,)."""
    draws = np.moveaxis(draws, 0, 2)
    ess, rhat = effective_sample_size(draws), split_gelman_rubin(draws)
    return ess.min(axis=-1), rhat.max(axis=-1)


@partial(jax.jit, static_argnames="draws")
def _gaussian_draws(keys: jax.Array, fit: Laplace, draws: int) -> Float[Array, "star draw label"]:
    n_label = fit.mean.shape[1]
    noise = jax.vmap(lambda key: jax.random.normal(key, (draws, n_label)))(keys)
    return fit.mean[:, None] + jnp.einsum("sij,sdj->sdi", fit.cholesky, noise)


def _unknown(n_star: int, count: int) -> list[np.ndarray]:
    return [np.full(n_star, np.nan) for _ in range(count)]
