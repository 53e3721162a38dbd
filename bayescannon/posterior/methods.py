"""The sampling methods, one interface: a block of stars in, draws and their diagnostics out."""

from collections.abc import Callable, Generator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

from bayescannon.model import CoefficientNoise, Model
from bayescannon.posterior.frame import Frame, make_frame
from bayescannon.posterior.importance import MIN_PROPOSALS, importance, importance_of_modes
from bayescannon.posterior.likelihood import Summary, log_likelihood_of_draws
from bayescannon.posterior.newton import Laplace
from bayescannon.posterior.nuts import CHAINS, FAST, SURE, Stride, nuts
from bayescannon.posterior.prior import Prior
from bayescannon.posterior.psis import smooth_weights
from bayescannon.precision import numpyro_rules
from bayescannon.typing import Array

MAX_KHAT = 0.7
MAX_SHIFT = 0.1
"""Largest error of a Laplace approximation that goes unflagged, in sd."""
MAX_RHAT = 1.05
"""Split R-hat of four chains of 125 draws scatters up to 1.03 when all is well."""
MIN_ESS = 0.8
"""Smallest share of the draws of chains that their effective number may be."""
MIN_ESS_WEIGHTED = 0.7
"""The same for importance sampling, which reaches 0.8 when its proposal is the posterior."""
USABLE_ESS = 0.1
"""Of draws that are weighted for another prior: a star with a smaller share is flagged."""
LONGER = ((2, FAST), (8, SURE), (16, SURE))
"""Chains are run again so much longer, thinned, and with this stride, where those before failed."""
STARS_PER_GROUP = 8
MIN_PER_CHAIN = 4
"""Split R-hat needs as many."""


class Problem(NamedTuple):
    """A block of stars to sample."""

    keys: jax.Array
    summary: Summary
    fit: Laplace
    prior: Prior
    model: Model
    flux: jax.Array
    ivar: jax.Array
    draws: int
    wanted: np.ndarray
    """False for padding, and for stars that cannot be in the model's state: no pains are taken."""

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
    shift: Float[np.ndarray, "star"]
    """How far weights would move mean or sd of Gaussian draws, in sd."""


def sample_laplace(problem: Problem) -> Sampled:
    """Draw from the Gaussian at the highest maximum; `khat` and `shift` say how good it is."""
    p = problem
    result = _gaussian_draws(p.keys, p.summary, p.fit, p.prior, p.draws, p.degree)
    draws, khat, shift = (np.array(part) for part in result)
    return Sampled(draws[:, None], khat, *_unknown(len(p.keys), 3), shift)


def sample_importance(problem: Problem) -> Sampled:
    """Resample weighted draws; `ess` is that of the published draws.

    Where the weights have a heavy tail, the draws they gave make a better proposal.
    """
    p = problem
    frame, covers = make_frame(p.summary, p.fit, p.prior, p.degree)
    result = importance(p.keys, p.summary, frame, p.prior, p.draws, p.degree)
    draws, khat, ess = (np.array(part) for part in result)
    covers = np.asarray(covers)
    heavy = covers & (khat > MAX_KHAT)
    for part, some in _groups(p, np.flatnonzero(heavy & p.wanted)):
        around = _adapted(*_around(some))
        result = importance(_anew(some.keys), some.summary, around, p.prior, p.draws, p.degree)
        _put((draws, khat, ess), part, result)
    for part, some in _groups(p, np.flatnonzero(~covers & p.wanted)):
        result = importance_of_modes(some.keys, some.summary, some.fit, p.prior, p.draws, p.degree)
        _put((draws, khat, ess), part, result)
    ess = 1.0 / (1.0 / p.draws + 1.0 / ess)
    return Sampled(draws[:, None], khat, ess, *_unknown(len(p.keys), 3))


def _put(arrays, part: np.ndarray, found) -> None:
    for array, values in zip(arrays, found, strict=True):
        array[part] = values[: len(part)]


@jax.jit
def _anew(keys: jax.Array) -> jax.Array:
    """Other random numbers of the same stars."""
    return jax.vmap(jax.random.fold_in, (0, None))(keys, 1)


def sample_nuts(problem: Problem) -> Sampled:
    """Run four chains a star that share the draws asked for; longer ones where these fail."""
    p = problem
    frame, _ = make_frame(p.summary, p.fit, p.prior, p.degree)
    draws, divergences = _run_chains(p, frame)
    ess, rhat = _diagnose(draws)
    khat, shift = _unknown(len(p.keys), 2)
    first = Sampled(draws, khat, ess, rhat, divergences, shift)
    return _run_longer(p, first, np.flatnonzero(_failed(first) & p.wanted))


def sample_auto(problem: Problem) -> Sampled:
    """Importance sampling for all; NUTS where its weights cannot be trusted.

    Where modes lie far apart the chains would not mix: the mixture of Gaussians at the modes,
    weighted, is the better answer even where k-hat is high.
    """
    first = sample_importance(problem)
    trusted = (first.khat <= MAX_KHAT) & (first.ess >= MIN_ESS_WEIGHTED * problem.draws)
    _, covers = make_frame(problem.summary, problem.fit, problem.prior, problem.degree)
    doubtful = ~trusted & np.asarray(covers)
    return _run_longer(problem, first, np.flatnonzero(doubtful & problem.wanted))


def sample_full_pixels(problem: Problem) -> Sampled:
    """NumPyro's NUTS on all pixels, star by star."""
    from bayescannon.posterior.star import sample_reference  # slow: loaded where it is asked for

    model, n_label = problem.model, problem.fit.mean.shape[1]
    draws = np.full((len(problem.keys), CHAINS, problem.draws, n_label), np.nan)
    ess, rhat, divergences = _unknown(len(problem.keys), 3)
    for star in np.flatnonzero(problem.wanted):
        good = np.asarray(problem.ivar[star] > 0) & model.usable
        if not good.any():
            continue
        pixels = (problem.flux[star].astype(float), problem.ivar[star].astype(float))
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
                problem.keys[star], arguments, start, problem.draws, CHAINS, _noise(model, good)
            )
        draws[star], divergences[star] = sample, bad.sum()
        (ess[star],), (rhat[star],) = _diagnose(np.asarray(sample)[None])
    khat, shift = _unknown(len(problem.keys), 2)
    return Sampled(draws, khat, ess, rhat, divergences, shift)


def _noise(model: Model, good: np.ndarray) -> CoefficientNoise | None:
    noise = model.coefficient_noise
    return noise and CoefficientNoise(jnp.asarray(noise.pixel[good]), jnp.asarray(noise.feature))


SAMPLERS: dict[str, Callable[[Problem], Sampled]] = {
    "auto": sample_auto,
    "laplace": sample_laplace,
    "importance": sample_importance,
    "nuts": sample_nuts,
    "reference": sample_full_pixels,
}


def _run_chains(
    problem: Problem, frame: Frame, longer: int = 1, stride: Stride = FAST
) -> tuple[np.ndarray, np.ndarray]:
    """Run NUTS; return draws (star, chain, draw, label) and divergences (star,)."""
    with numpyro_rules():
        result = nuts(
            problem.keys,
            problem.summary,
            frame,
            problem.prior,
            longer * _per_chain(problem.draws),
            problem.degree,
            stride,
        )
    return np.array(result.draws), np.array(result.divergences)


def _run_longer(problem: Problem, first: Sampled, stars: np.ndarray) -> Sampled:
    """Replace the draws of some stars by those of longer, thinned chains.

    Importance sampling tells mean and covariance better than a formula.
    """
    for longer, stride in LONGER:
        for part, some in _groups(problem, stars):
            draws, divergences = _run_chains(some, _adapted(*_around(some)), longer, stride)
            draws, divergences = draws[: len(part)], divergences[: len(part)]
            ess, rhat = _diagnose(draws)
            # joined to one chain where importance sampling has one
            shape = (len(part), first.draws.shape[1], -1, draws.shape[-1])
            thinned = draws[:, :, longer - 1 :: longer].reshape(shape)
            first.draws[part] = thinned[:, :, : first.draws.shape[2]]
            first.ess[part] = thinned_ess(ess, draws.shape[1] * draws.shape[2], longer)
            first.rhat[part], first.divergences[part] = rhat, divergences
        stars = stars[_failed(first)[stars]]
    return first


def thinned_ess(ess: np.ndarray, n_draw: int, longer: int) -> np.ndarray:
    """Effective number of every `longer`-th of the draws, as of an autoregressive chain."""
    time = np.maximum(n_draw / ess, 1.0)
    left = ((time - 1) / (time + 1)) ** longer
    return n_draw / longer * (1 - left) / (1 + left)


def _failed(sampled: Sampled) -> np.ndarray:
    """Tell which stars' chains are not good enough, (star,)."""
    n_draw = sampled.draws.shape[1] * sampled.draws.shape[2]
    well = (sampled.ess >= MIN_ESS * n_draw) & (sampled.rhat <= MAX_RHAT)
    return ~(well & (sampled.divergences == 0))


def _groups(problem: Problem, stars: np.ndarray) -> Generator[tuple[np.ndarray, Problem]]:
    """Take some stars out of a block, in groups of one size: one compiled program serves all."""
    for start in range(0, len(stars), STARS_PER_GROUP):
        part = stars[start : start + STARS_PER_GROUP]
        rows = np.resize(part, STARS_PER_GROUP)
        keys, summary, fit = _take((problem.keys, problem.summary, problem.fit), jnp.asarray(rows))
        yield part, problem._replace(keys=keys, summary=summary, fit=fit)


@jax.jit
def _take(parts, rows: jax.Array):
    return jax.tree.map(lambda a: a[rows], parts)


def _around(problem: Problem) -> tuple[Float[Array, "star draw label"], Frame]:
    """Draws by importance sampling, and the frame they were proposed in."""
    p = problem
    frame, _ = make_frame(p.summary, p.fit, p.prior, p.degree)
    return importance(p.keys, p.summary, frame, p.prior, p.draws, p.degree).draws, frame


@jax.jit
def _adapted(draws: Float[Array, "star draw label"], frame: Frame) -> Frame:
    """Mean and covariance of draws; the frame they came from where they have none."""
    mean = jnp.mean(draws, axis=1)
    away = draws - mean[:, None]
    root = jnp.linalg.cholesky(jnp.swapaxes(away, 1, 2) @ away / draws.shape[1])
    sound = jnp.isfinite(root).all(axis=(1, 2))[:, None]
    return Frame(
        jnp.where(sound, mean, frame.mean), jnp.where(sound[..., None], root, frame.cholesky)
    )


def _per_chain(draws: int) -> int:
    return max(-(-draws // CHAINS), MIN_PER_CHAIN)


def _diagnose(draws: Float[np.ndarray, "star chain draw label"]):
    """Return smallest effective sample size and largest split R-hat over the labels, (star,)."""
    draws = np.moveaxis(draws, 0, 2)
    ess, rhat = effective_sample_size(draws), split_gelman_rubin(draws)
    return ess.min(axis=-1), rhat.max(axis=-1)


@partial(jax.jit, static_argnames=("draws", "degree"))
def _gaussian_draws(
    keys: jax.Array, summary: Summary, fit: Laplace, prior: Prior, draws: int, degree: int
) -> tuple[Float[Array, "star draw label"], Float[Array, "star"], Float[Array, "star"]]:
    """Draws of the Laplace approximation; k-hat and effect of the weights that would mend them."""
    n = max(draws, MIN_PROPOSALS)

    def one_star(key, summary, fit):
        white = jax.random.normal(key, (n, fit.mean.size))
        scaled = fit.mean[None] + white @ fit.cholesky.T
        log_like = log_likelihood_of_draws(summary, scaled.T, degree)
        log_target = log_like + prior.log_prob(scaled.T)
        log_weight, khat = smooth_weights(log_target + 0.5 * jnp.sum(white**2, axis=1))
        # differences to the unweighted moments: the noise of the draws themselves cancels
        excess = jnp.exp(log_weight) - 1.0 / n
        moved, widened = excess @ white, 0.5 * (excess @ white**2)
        return scaled[:draws], khat, jnp.max(jnp.abs(jnp.concatenate([moved, widened])))

    return jax.vmap(one_star)(keys, summary, fit)


def _unknown(n_star: int, count: int) -> list[np.ndarray]:
    return [np.full(n_star, np.nan) for _ in range(count)]
