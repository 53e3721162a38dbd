"""Posteriors of the models of both evolutionary states, mixed by P(rc)."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from bayescannon.keys import star_keys
from bayescannon.model.by_state import StateModels
from bayescannon.posterior.result import Block
from bayescannon.spectra import Spectra

CLASSIFIED = "classified"
"""How a posterior's states were told apart (`attrs["states"]`): by a classifier of all channels."""
GOLDEN = 0.6180339887498949
NEGLIGIBLE = 0.01
"""A state that a star's channels make less likely than this counts as impossible: of 534 real
giants so classified none was in it."""


def classified(models: StateModels, spectra: Spectra) -> np.ndarray:
    """P(rc) by the classifier of all channels, (star,)."""
    flux, ivar = spectra.arrays()
    p = models.p_rc(np.where(ivar > 0, flux, np.nan))
    return np.where(p < NEGLIGIBLE, 0.0, np.where(p > 1 - NEGLIGIBLE, 1.0, p))


def likely_together(models: StateModels, spectra: Spectra) -> np.ndarray:
    """Order stars so that a block's stars are of one state, (star,)."""
    return np.argsort(classified(models, spectra), kind="stable")


def infer_states(
    models: StateModels,
    parts: Sequence[Any],
    spectra: Spectra,
    wanted: np.ndarray,
    infer_one: Callable[[Any, np.ndarray], Block],
    seed: int,
) -> Block:
    """Infer a block of stars by the model of each state that they can be in, and mix the draws.

    Parameters
    ----------
    models : StateModels
    parts : sequence
        Of each state in the order of `STATES`: what `infer_one` takes.
    spectra : Spectra
        The block's.
    wanted : (padded star,)
        False for padding.
    infer_one : callable
        Takes a part and which stars can be in its state; gives their block, without the padding.
    seed : int
    """
    n_star, p_rc = len(spectra), classified(models, spectra)
    found: dict[int, Block] = {}
    for state, part in enumerate(parts):
        can_be = wanted.copy()
        can_be[:n_star] = p_rc != 1 - state
        if can_be.any():
            found[state] = infer_one(part, can_be)
    if len(found) == 1:
        ((state, only),) = found.items()
        return of_one_state(only, state == 1)
    return mix(found[0], found[1], p_rc, spectra, seed)


def mix(a: Block, b: Block, p: np.ndarray, spectra: Spectra, seed: int) -> Block:
    """Mix draws of `rgb` and `rc` models by P(rc), (star,).

    Returns
    -------
    Block
        `per_star` has `p_rc`, and `rc` tells which draws are those of a clump star. `log_prior` is
        that of the labels in the draw's state. `mean` and `cov` are the mixture's; every other
        statistic is that of the likelier state's model.
    """
    chosen = _choose(p, a.log_prior.shape[1:], seed, spectra)
    likely = p > 0.5
    mean, cov = _moments(a, b, p)
    return Block(
        draws=np.where(chosen[..., None], b.draws, a.draws),
        log_prior=np.where(chosen, b.log_prior, a.log_prior),
        log_likelihood=np.where(chosen, b.log_likelihood, a.log_likelihood),
        best=np.where(likely[:, None], b.best, a.best),
        mean=mean,
        cov=cov,
        per_star={k: np.where(likely, b.per_star[k], v) for k, v in a.per_star.items()}
        | {"p_rc": p},
        per_draw={"rc": chosen},
    )


def of_one_state(block: Block, is_rc: bool) -> Block:
    """Give the block that `mix` makes of stars which can be in one state only, without mixing."""
    p = np.full(len(block.mean), float(is_rc))
    rc = np.full(block.log_prior.shape, is_rc)
    return block._replace(per_star=block.per_star | {"p_rc": p}, per_draw={"rc": rc})


def _choose(p: np.ndarray, shape: tuple[int, ...], seed: int, spectra: Spectra) -> np.ndarray:
    """Which draws (star, chain, draw) come from the clump: a fair share, at random places."""
    start = np.asarray(jax.vmap(jax.random.uniform)(star_keys(seed, spectra.star_id)))
    steps = np.arange(np.prod(shape)).reshape(shape) * GOLDEN
    return (steps + start[:, None, None]) % 1.0 < p[:, None, None]


def _moments(rgb: Block, rc: Block, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the mixture; a state that cannot be has no say, whatever it holds."""
    p = np.where(p < 1e-12, 0.0, np.where(p > 1 - 1e-12, 1.0, p))
    weight = (1 - p, p)
    mean = weight[0][:, None] * rgb.mean + weight[1][:, None] * rc.mean
    cov = np.zeros_like(rgb.cov)
    for w, state in zip(weight, (rgb, rc), strict=True):
        off = state.mean - mean
        cov += w[:, None, None] * (state.cov + off[:, :, None] * off[:, None])
    return mean, cov
