"""Draws of the indirect label and of the state, added to those of the direct labels."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, ndtr, ndtri
from jaxtyping import Float

from bayescannon.batches import map_stars
from bayescannon.flags import Flag
from bayescannon.labels import WhiteMixture, features
from bayescannon.model import Model
from bayescannon.posterior.describe import MANY_OUTSIDE, draw_moments
from bayescannon.posterior.importance import systematic
from bayescannon.posterior.likelihood import STARS_AT_ONCE, FactorPosterior
from bayescannon.posterior.methods import MIN_ESS_WEIGHTED
from bayescannon.posterior.prior import EDGE, LabelDistribution, Prior
from bayescannon.posterior.result import Block
from bayescannon.states import Relation
from bayescannon.typing import Array

STREAM = 11
"""Folded into a star's key: the draws of the direct labels have used it."""


class Added(NamedTuple):
    """What the relation says of every draw, (star, draw), in scaled labels.

    `label`, `rc` and `log_prior` under the population of the training set; `flat` is the label
    and `flat_rc` the state under a prior that is flat in the label at given direct ones, draws
    weighted by exp(`log_weight`).
    """

    label: Array
    rc: Array
    p_rc: Array
    log_prior: Array
    flat: Array
    flat_rc: Array
    flat_p_rc: Array
    log_weight: Array


def add_indirect(
    model: Model,
    prior: Prior,
    block: Block,
    keys: jax.Array,
    shown: Float[np.ndarray, "star chain draw label"],
    factors: FactorPosterior,
) -> Block:
    """Add the indirect label and the state to the posterior of the direct labels.

    Parameters
    ----------
    model : Model
        With a relation.
    prior : Prior
        Over all scaled labels: the population of the training set, a flat one, or a user's.
    block : Block
        Posterior of the direct labels of its `direct` model, under a flat prior if `prior` is a
        user's.
    keys : PRNG keys (star,)
    shown : (star, chain, draw, label)
        Scaled direct labels that the spectra show: draws before errors of the model were added.
    factors : FactorPosterior

    Returns
    -------
    Block
        With `p_rc` (star,) and `rc` (star, chain, draw) where the model knows states. Under the
        population prior draws for ages come beside: `flat_<label>` and `flat_rc` under a flat prior
        of the label, with the `flat_log_prior` that is left to be divided out.
    """
    assert model.relation is not None
    name = model.recipe.training.carried[0]
    at, shape = model.labels.index(name), block.log_prior.shape
    scale, pivot = model.scaling.scale[at], model.scaling.pivot[at]
    low, high = model.scaling.to_scaled(model.label_range)[:, at]
    reach = EDGE * (high - low)
    box = jnp.asarray([low - reach, high + reach])
    rows = jnp.asarray(shown.reshape(len(shown), -1, shown.shape[-1]))
    relation = jax.tree.map(jnp.asarray, model.relation)
    parts = _added(keys, rows, factors, relation, box, model.recipe.labels.degree)
    found = Added(*(np.array(part).reshape(shape) for part in parts))
    if not isinstance(prior, WhiteMixture):
        block, label, rc, p = _resampled(model, prior, block, found, at)
        per_draw = {"rc": rc}
    else:
        label, rc, p = (np.asarray(a) for a in (found.label, found.rc, found.p_rc))
        left = block.log_prior - found.log_weight
        per_draw = {
            "rc": rc,
            "flat_rc": np.asarray(found.flat_rc),
            "flat_log_prior": left.astype(np.float32),
        }
        per_draw[f"flat_{name}"] = (pivot + scale * found.flat).astype(np.float32)
        block = block._replace(log_prior=block.log_prior + found.log_prior)
    knows_states = model.relation.log_odds.shape[1] > 0
    star = dict(block.per_star)
    if knows_states:
        star["p_rc"] = np.asarray(p).mean(axis=(1, 2))
    else:
        per_draw = {k: v for k, v in per_draw.items() if not k.endswith("rc")}
    block = block._replace(per_star=star, per_draw=per_draw)
    return _with_label(model, block, at, pivot + scale * label)


def _with_label(model: Model, block: Block, at: int, label: np.ndarray) -> Block:
    """Put the label's draws in their place, and sum up anew."""
    lost = ~np.isfinite(block.draws).all(axis=-1)
    draws = np.insert(block.draws, at, np.where(lost, np.nan, label), axis=-1)
    moments = draw_moments(
        model.scaling.to_scaled(draws), model.scaling.to_scaled(model.label_range)
    )
    mean, cov, outside = (np.array(part) for part in moments)
    scale = model.scaling.scale
    mean = model.scaling.to_labels(mean)
    star = dict(block.per_star)
    star["p_outside"] = np.where(np.isnan(star["p_outside"]), np.nan, outside)
    far = star["p_outside"] > MANY_OUTSIDE
    star["flags"] = star["flags"] | np.where(far, int(Flag.OUTSIDE_TRAINING), 0)
    return block._replace(
        draws=draws,
        best=np.insert(block.best, at, mean[:, at], axis=-1),
        mean=mean,
        cov=cov * np.outer(scale, scale),
        per_star=star,
    )


def _resampled(
    model: Model, prior: Prior, block: Block, found: Added, at: int
) -> tuple[Block, np.ndarray, np.ndarray, np.ndarray]:
    """Weigh draws that are flat in the label, and give them equal weights."""
    log_weight, star = found.log_weight, dict(block.per_star)
    if isinstance(prior, LabelDistribution):
        pivot, scale = model.scaling.pivot[at], model.scaling.scale[at]
        whole = np.insert(block.draws, at, pivot + scale * found.flat, axis=-1)
        scaled = jnp.asarray(np.moveaxis(model.scaling.to_scaled(whole), -1, 0))
        block = block._replace(log_prior=np.asarray(prior.log_prob(scaled)))
        log_weight = log_weight + block.log_prior
    flat = np.nan_to_num(log_weight.reshape(len(log_weight), -1), nan=0.0)
    weight = np.exp(flat - flat.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    n = weight.shape[1]
    star["ess"] = star["ess"] / (n * np.sum(weight**2, axis=1))
    low = star["ess"] < MIN_ESS_WEIGHTED * n
    star["flags"] = star["flags"] | np.where(low, int(Flag.LOW_ESS), 0)
    choose = jax.vmap(partial(systematic, shift=jnp.asarray(0.5), draws=n))
    chosen = np.asarray(choose(jnp.asarray(weight)))

    def pick(values) -> np.ndarray:
        rows = values.reshape(len(values), n, *values.shape[3:])
        index = chosen.reshape(*chosen.shape, *[1] * (rows.ndim - 2))
        return np.take_along_axis(rows, index, axis=1).reshape(values.shape)

    block = block._replace(
        draws=pick(block.draws),
        log_prior=pick(block.log_prior),
        log_likelihood=pick(block.log_likelihood),
        per_star=star,
    )
    return block, pick(found.flat), pick(found.flat_rc), pick(found.flat_p_rc)


@partial(jax.jit, static_argnames="degree")
def _added(
    keys: jax.Array,
    shown: Float[Array, "star draw label"],
    factors: FactorPosterior,
    relation: Relation,
    box: Float[Array, "2"],
    degree: int,
) -> Added:
    def one(given) -> Added:
        key, labels, factors = given
        n = len(labels)
        for_factors, for_label, for_state = jax.random.split(jax.random.fold_in(key, STREAM), 3)
        noise = jax.random.normal(for_factors, (n, len(factors.along)))
        z = factors.draw(features(labels, degree), noise)
        v = features(jnp.concatenate([labels, z @ relation.turn], axis=1))
        which = jnp.arange(n) % relation.coefficients.shape[1]
        mean = jnp.einsum("nf,snf->sn", v, relation.coefficients[:, which])
        before = relation.plain @ features(labels[:, relation.given]).T
        tau, wide = relation.scatter[:, None], relation.plain_scatter[:, None]
        start = jax.random.uniform(for_state)
        uniform = jax.random.uniform(for_label, (n,), minval=1e-9, maxval=1 - 1e-9)
        # what the spectrum says of the label: its law less that at given labels alone
        precision = tau**-2 - wide**-2
        middle, sd = (mean * tau**-2 - before * wide**-2) / precision, precision**-0.5
        low, high = ((edge - middle) / sd for edge in box)
        fit = -0.5 * (mean**2 * tau**-2 - before**2 * wide**-2 - middle**2 * precision)
        log_total = jnp.log(wide * sd / tau) + fit + _log_between(low, high)
        if len(mean) == 1:
            log_odds, gain = jnp.full(n, -jnp.inf), jnp.zeros(n)
            log_weight = log_total[0]
        else:
            log_odds = jnp.sum(v * relation.log_odds[which], axis=1)
            gain = log_total[1] - log_total[0]
            log_p = jax.nn.log_sigmoid(jnp.stack([-log_odds, log_odds]))
            log_weight = jax.scipy.special.logsumexp(log_p + log_total, axis=0)
        p, flat_p = jax.nn.sigmoid(log_odds), jax.nn.sigmoid(log_odds + gain)
        rc, flat_rc = _fair_share(p, start), _fair_share(flat_p, start)

        def of_state(values, is_rc):
            return jnp.where(is_rc, values[-1], values[0])

        label = of_state(_inside(mean, tau, box, uniform), rc)
        off = (label - of_state(before, rc)) / of_state(wide, rc)
        flat = _inside(middle, sd, box, uniform)
        return Added(
            label=label,
            rc=rc,
            p_rc=p,
            log_prior=-0.5 * off**2 - jnp.log(of_state(wide, rc)),
            flat=of_state(flat, flat_rc),
            flat_rc=flat_rc,
            flat_p_rc=flat_p,
            log_weight=log_weight,
        )

    return map_stars(one, (keys, shown, factors), STARS_AT_ONCE)


def _fair_share(p: Array, start: Array) -> Array:
    """Which draws are of the clump, each with its probability: as many as all together promise."""
    passed = jnp.floor(jnp.cumsum(p) + start)
    return jnp.diff(passed, prepend=jnp.floor(start)[None]) > 0


def _inside(mean: Array, sd: Array, box: Array, uniform: Array) -> Array:
    """Draws of Gaussians within a box, where a quadratic may not run away, (state, draw)."""
    low, high = (ndtr((edge - mean) / sd) for edge in box)
    level = jnp.clip(low + uniform[None] * (high - low), 1e-12, 1 - 1e-12)
    return jnp.clip(mean + sd * ndtri(level), box[0], box[1])


def _log_between(low: Array, high: Array) -> Array:
    """ln of the unit Gaussian's share between two points."""
    # from the tail in which both may lie
    low, high = jnp.where(low > 0, -high, low), jnp.where(low > 0, -low, high)
    first, second = log_ndtr(low), log_ndtr(high)
    return second + jnp.log1p(-jnp.exp(jnp.minimum(first - second, -1e-12)))
