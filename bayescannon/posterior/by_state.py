"""Posteriors of the models of both evolutionary states, mixed by how well each explains a star."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy.special import expit, logit

from bayescannon.keys import star_keys
from bayescannon.labels import WhiteMixture
from bayescannon.model.by_state import StateModels
from bayescannon.posterior.frame import make_frame
from bayescannon.posterior.importance import log_evidence
from bayescannon.posterior.methods import Problem
from bayescannon.posterior.prior import Prior
from bayescannon.posterior.result import Block
from bayescannon.spectra import Spectra

CLASSIFIED, COMPARED = "classified", "compared"
"""How a posterior's states were told apart (`attrs["states"]`): by a classifier that was trained on
all channels, or by comparing how well each state's model explains the spectrum."""
GOLDEN = 0.6180339887498949
NEGLIGIBLE = 0.01
"""A state that a star's channels make less likely than this counts as impossible: of 534 real
giants so classified none was in it."""


class OfState(NamedTuple):
    """What the model of one state says of a block of stars."""

    block: Block
    log_evidence: np.ndarray
    """ln of the integral of likelihood times prior over scaled labels, (star,)."""
    prior: Prior
    scale: np.ndarray


def classified(models: StateModels, spectra: Spectra) -> np.ndarray | None:
    """P(rc) by the classifier of all channels, (star,); None where the models' evidence tells."""
    if models.channel is None:
        return None
    flux, ivar = spectra.arrays()
    p = models.p_rc(np.where(ivar > 0, flux, np.nan))
    return np.where(p < NEGLIGIBLE, 0.0, np.where(p > 1 - NEGLIGIBLE, 1.0, p))


def likely_together(models: StateModels, spectra: Spectra) -> np.ndarray | None:
    """Order stars so that a block's stars are of one state; None where no classifier can tell."""
    p_rc = classified(models, spectra)
    return None if p_rc is None else np.argsort(p_rc, kind="stable")


def infer_states(
    models: StateModels,
    parts: Sequence[Any],
    spectra: Spectra,
    wanted: np.ndarray,
    infer_one: Callable[[Any, np.ndarray], tuple[Block, Problem]],
    seed: int,
) -> Block:
    """Infer a block of stars by the model of each state that they can be in, and mix the draws.

    Parameters
    ----------
    models : StateModels
    parts : sequence
        Of each state in the order of `STATES`, with its `model` and `prior`.
    spectra : Spectra
        The block's.
    wanted : (padded star,)
        False for padding.
    infer_one : callable
        Takes a part and which stars can be in its state; gives their block, without the padding,
        and the problem that was sampled.
    seed : int
    """
    n_star, p_rc = len(spectra), classified(models, spectra)
    found: dict[int, OfState] = {}
    for state, part in enumerate(parts):
        can_be = wanted.copy()
        if p_rc is not None:
            can_be[:n_star] = p_rc != 1 - state
        if not can_be.any():
            continue
        block, p = infer_one(part, can_be)
        evidence = np.zeros(n_star)
        if p_rc is None or ((p_rc > 0) & (p_rc < 1)).any():
            frame, _ = make_frame(p.summary, p.fit, p.prior, p.degree)
            evidence = np.asarray(log_evidence(p.summary, frame, p.prior, p.degree))[:n_star]
        found[state] = OfState(block, evidence, part.prior, part.model.scaling.scale)
    if len(found) == 1:
        ((state, only),) = found.items()
        return of_one_state(only, state == 1)
    return mix(models, found[0], found[1], p_rc, spectra, seed)


def mix(
    models: StateModels,
    rgb: OfState,
    rc: OfState,
    p: np.ndarray | None,
    spectra: Spectra,
    seed: int,
) -> Block:
    """Mix draws by P(rc | spectrum).

    P(rc) is prior odds times the ratio of evidences: the odds are the share of clump stars in
    training where each state has its own population, and P(rc) at the labels under a prior that
    both share. Models of channels have P(rc) from a classifier of all channels: `p`, from
    `classified`.

    Returns
    -------
    Block
        `per_star` has `p_rc`, and `rc` tells which draws are those of a clump star. `log_prior` is
        that of state and labels together [label units]: it is the posterior less the likelihood,
        so that dividing it out leaves what the spectrum says of both. `mean` and `cov` are the
        mixture's; every other statistic is that of the likelier state's model.
    """
    evidence = [s.log_evidence + _per_label_unit(s) for s in (rgb, rc)]
    if p is None:
        if isinstance(rgb.prior, WhiteMixture):
            before = np.full(len(spectra), models.share_rc)
        else:
            before = _at_labels(models, rgb.block, rc.block)
        gain = np.nan_to_num(evidence[1] - evidence[0])
        p = expit(logit(before) + gain)
    a, b = rgb.block, rc.block
    chosen = _choose(p, a.log_prior.shape[1:], seed, spectra)
    # ln of weight: what makes P(state) of a state's evidence; nothing where only one can be
    weight = [
        np.where((p == 0) | (p == 1), 0.0, np.log(np.maximum(q, 1e-300)) - e)
        for q, e in zip((1 - p, p), evidence, strict=True)
    ]
    log_prior = [
        s.block.log_prior + _per_label_unit(s) - np.log(s.scale).sum() + w[:, None, None]
        for s, w in zip((rgb, rc), weight, strict=True)
    ]
    likely = p > 0.5
    mean, cov = _moments(a, b, p)
    return Block(
        draws=np.where(chosen[..., None], b.draws, a.draws),
        log_prior=np.where(chosen, log_prior[1], log_prior[0]),
        log_likelihood=np.where(chosen, b.log_likelihood, a.log_likelihood),
        best=np.where(likely[:, None], b.best, a.best),
        mean=mean,
        cov=cov,
        per_star={k: np.where(likely, b.per_star[k], v) for k, v in a.per_star.items()}
        | {"p_rc": p},
        rc=chosen,
    )


def of_one_state(found: OfState, is_rc: bool) -> Block:
    """Give the block that `mix` makes of stars which can be in one state only, without mixing."""
    block = found.block
    per_unit = _per_label_unit(found) - np.log(found.scale).sum()
    p = np.full(len(block.mean), float(is_rc))
    return block._replace(
        log_prior=block.log_prior + per_unit,
        per_star=block.per_star | {"p_rc": p},
        rc=np.full(block.log_prior.shape, is_rc),
    )


def _per_label_unit(state: OfState) -> float:
    """Priors that are no densities are constant per label unit: their integral needs the scale."""
    return 0.0 if isinstance(state.prior, WhiteMixture) else float(np.log(state.scale).sum())


def _at_labels(models: StateModels, rgb: Block, rc: Block) -> np.ndarray:
    """P(rc) at the labels that spectra show themselves, the mean of what both models find."""
    direct = [i for i, n in enumerate(models.labels) if n not in models.recipe.training.carried]
    at_rgb, at_rc = (models.p_rc(block.mean[:, direct]) for block in (rgb, rc))
    return 0.5 * (at_rgb + at_rc)


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
