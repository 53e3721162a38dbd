"""What is known of each star once its posterior is drawn: moments, fit statistics, flags."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from bayescannon.batches import map_stars
from bayescannon.flags import Flag, combine
from bayescannon.labels import Mixture, features
from bayescannon.model import Model
from bayescannon.model.error import signal_to_noise
from bayescannon.posterior.likelihood import STARS_AT_ONCE, Summary, quadratic_form
from bayescannon.posterior.methods import (
    MAX_KHAT,
    MAX_RHAT,
    MAX_SHIFT,
    MIN_ESS,
    MIN_ESS_WEIGHTED,
    Sampled,
)
from bayescannon.posterior.newton import Laplace
from bayescannon.posterior.result import Block
from bayescannon.typing import Array

UNKNOWN_CHI2 = 3.0
"""Of models that do not know the reduced chi2 of their training stars."""
MANY_OUTSIDE = 0.05
"""A star is outside the training range when more than this share of its posterior is."""


def describe(
    model: Model,
    summary: Summary,
    fit: Laplace,
    sampled: Sampled,
    log_prior: jax.Array,
    log_like: jax.Array,
    ivar: jax.Array,
) -> Block:
    """Sum up the draws of a block of stars and say what is wrong with which star.

    Parameters
    ----------
    model : Model
    summary : Summary
    fit : Laplace
    sampled : Sampled
        Draws of scaled labels and their diagnostics.
    log_prior, log_like : (star, chain, draw)
    ivar : (star, pixel)

    Returns
    -------
    Block
        In label units, flags set.
    """
    scaling, degree = model.scaling, model.recipe.labels.degree
    best, curvature = np.asarray(fit.mean), model.label_error and model.label_error.curvature
    if curvature is not None:
        best = best + np.asarray(curvature.bend(best, degree)[0])
    chi2, chi2_full, distance = _fit_numbers(fit.mean, summary, model.population, degree)
    n_pixel = np.asarray(summary.n_pixel)
    dof = n_pixel - len(model.labels)
    moments = draw_moments(sampled.draws, scaling.to_scaled(model.label_range))
    mean, cov, p_outside = (np.array(part) for part in moments)
    per_star = {
        "chi2": np.asarray(chi2),
        "chi2_full": np.asarray(chi2_full),
        "dof": dof,
        "khat": sampled.khat,
        "ess": sampled.ess,
        "rhat": sampled.rhat,
        "divergences": sampled.divergences,
        "shift": sampled.shift,
        "n_modes": np.asarray(fit.n_modes),
        "distance": np.asarray(distance),
        "p_outside": p_outside,
    }
    block = Block(
        draws=scaling.to_labels(sampled.draws),
        log_prior=np.array(log_prior),
        log_likelihood=np.array(log_like),
        best=scaling.to_labels(best),
        mean=scaling.to_labels(mean),
        cov=cov * np.outer(scaling.scale, scaling.scale),
        per_star=per_star,
        per_draw={},
    )
    return _flag(model, block, np.asarray(fit.converged), max_chi2(model, ivar))


def sampling_flags(star: dict[str, np.ndarray], n_draw: int) -> dict[Flag, np.ndarray]:
    """Say which stars' draws are in doubt, from what their sampler reports.

    Parameters
    ----------
    star : dict of arrays (star,)
        `khat`, `ess`, `rhat`, `divergences`, `shift`, `n_modes`; NaN where a method does not know.
    n_draw : int
        Draws that each star publishes.
    """
    chains = np.isfinite(star["rhat"])  # the draws are NUTS's, whatever k-hat said before
    return {
        Flag.SEVERAL_MODES: star["n_modes"] > 1,
        Flag.HIGH_KHAT: (star["khat"] > MAX_KHAT) & ~chains,
        Flag.LOW_ESS: star["ess"] < np.where(chains, MIN_ESS, MIN_ESS_WEIGHTED) * n_draw,
        Flag.HIGH_RHAT: star["rhat"] > MAX_RHAT,
        Flag.DIVERGENT: star["divergences"] > 0,
        Flag.NOT_GAUSSIAN: star["shift"] > MAX_SHIFT,
    }


@jax.jit
def draw_moments(
    draws: Float[Array, "star chain draw label"], box: Float[Array, "2 label"]
) -> tuple[Array, Array, Array]:
    """Mean, covariance, and share of the draws outside a box, of each star."""

    def one_star(draws):
        rows = draws.reshape(-1, draws.shape[-1]).T
        mean = jnp.mean(rows, axis=1)
        away = rows - mean[:, None]
        outside = (rows < box[0][:, None]) | (rows > box[1][:, None])
        cov = away @ away.T / (rows.shape[1] - 1)
        return mean, cov, jnp.mean(jnp.any(outside, axis=0), dtype=float)

    return map_stars(one_star, jnp.asarray(draws), STARS_AT_ONCE)


@partial(jax.jit, static_argnames="degree")
def _fit_numbers(
    mean: jax.Array, summary: Summary, population: Mixture | None, degree: int
) -> tuple[Array, Array, Array]:
    """chi2 without and with the factors, and distance to the training set, each (star,)."""
    v, s = features(mean, degree), summary
    chi2 = jax.vmap(quadratic_form)(v, s.a_diagonal, s.b_diagonal, s.c_diagonal)
    chi2_full = jax.vmap(quadratic_form)(v, s.a, s.b, s.c)
    if population is None:
        return chi2, chi2_full, jnp.full(len(mean), jnp.nan)
    return chi2, chi2_full, jax.vmap(population.distance)(mean)


def max_chi2(model: Model, ivar: jax.Array) -> np.ndarray | float:
    """Largest reduced chi2 of a star that the model describes, (star,) or for all."""
    wanted = model.recipe.inference.max_chi2
    if wanted >= 1.0:
        return wanted
    if model.chi2_law is None:
        return UNKNOWN_CHI2
    return model.chi2_law.limit(wanted, signal_to_noise(np.where(model.usable, ivar, 0.0)))


def _flag(model: Model, block: Block, converged: np.ndarray, limit) -> Block:
    """Set the flags; labels of a star without a posterior become NaN, never a silent number."""
    star = block.per_star
    n_pixel = star["dof"] + len(model.labels)
    empty = n_pixel == 0
    finite = np.isfinite(block.draws).all(axis=(1, 2, 3))
    lost = empty | ~finite
    with np.errstate(invalid="ignore", divide="ignore"):
        # the scatter of a few channels is in the factors, hardly on the diagonal
        chi2 = star["chi2"] if model.channel is None else star["chi2_full"]
        reduced = chi2 / star["dof"]
    n_draw = block.draws.shape[1] * block.draws.shape[2]
    raised = {
        Flag.NO_GOOD_PIXEL: empty,
        Flag.FEW_PIXELS: n_pixel < 0.5 * model.usable.sum(),
        Flag.BAD_CHI2: ~(reduced <= limit) & ~empty,
        Flag.OUTSIDE_TRAINING: ~(star["p_outside"] <= MANY_OUTSIDE) & ~empty,
        Flag.NOT_CONVERGED: ~converged & ~empty,
        **{flag: where & ~empty for flag, where in sampling_flags(star, n_draw).items()},
    }
    b = block
    for array in (b.draws, b.log_prior, b.log_likelihood, b.best, b.mean, b.cov):
        array[lost] = np.nan
    for name in ("chi2", "chi2_full", "distance", "p_outside"):
        star[name] = np.where(empty, np.nan, star[name])
    return block._replace(per_star=star | {"flags": combine(raised)})
