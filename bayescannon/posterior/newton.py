"""The posterior's maxima: damped Newton on the summary, from several starts, for many stars."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Bool, Float, Int

from bayescannon.labels import features
from bayescannon.posterior.likelihood import Summary, log_likelihood
from bayescannon.posterior.prior import Prior
from bayescannon.typing import Array

MAX_ITERATIONS = 100
EARLY, STATES_PER_GROUP = 6, 64
"""Steps that all starts of all stars take together, and how many of the rest go on together."""
TOLERANCE = 1e-8
"""Converged when the Newton decrement (twice the gain still expected in ln p) is below this."""
NEARLY_UNDAMPED = 1e-2
"""A damped step promises little gain anywhere: its decrement only counts below this damping."""
NEAR = 1.0
"""Below this decrement the full Hessian leads."""
WIDEST = 10.0
"""Largest sd of a scaled label: training labels have sd 1, the prior's bounds are nearer."""
RIDGE = 1e-6
"""Keeps steps finite along directions without curvature."""
SAME_MODE = 0.05
"""Two maxima closer than this, in posterior sd, are one."""
NEGLIGIBLE = 12.0
"""A maximum whose ln p is lower than the best by more than this does not count as a mode."""


class Laplace(NamedTuple):
    """Gaussian approximation of each star's posterior (scaled labels).

    `mean` and `cholesky` belong to the highest maximum. The `mode_` arrays hold one entry a start:
    where it led to, and the log weight of that maximum in a mixture (-inf for one found before).
    """

    mean: Float[Array, "*star label"]
    cholesky: Float[Array, "*star label label"]
    log_density: Float[Array, "*star"]
    converged: Bool[Array, "*star"]
    n_modes: Int[Array, "*star"]
    mode_mean: Float[Array, "*star start label"]
    mode_cholesky: Float[Array, "*star start label label"]
    mode_log_weight: Float[Array, "*star start"]


class _State(NamedTuple):
    x: Array
    local: "_Local"
    damping: Array
    decrement: Array
    iteration: Array


@partial(jax.jit, static_argnames="degree")
def laplace(
    summary: Summary, prior: Prior, starts: Float[Array, "*star start label"], degree: int
) -> Laplace:
    """Maximise the posterior of every star and take its curvature there.

    Parameters
    ----------
    summary : Summary
        Of many stars.
    prior : Prior
        Over scaled labels.
    starts : (start, label) or (star, start, label)
        Where the optimiser begins: for every star, or for each.
    degree : int
        Degree of the features.

    Returns
    -------
    Laplace
        Mean, Cholesky factor of the covariance, whether the optimiser converged, and the number
        of distinct maxima found.
    """
    states = _minimise(partial(_expand, prior=prior, degree=degree), summary, starts)
    return jax.vmap(_one_star)(states)


def log_posterior(x: Array, summary: Summary, prior: Prior, degree: int) -> Array:
    """Log likelihood plus log prior of one star at scaled labels x."""
    return log_likelihood(summary, features(x, degree)) + prior.log_prob(x)


class _Local(NamedTuple):
    """-ln p at a point, with its derivatives."""

    value: Array
    gradient: Array
    hessian: Array
    gauss_newton: Array
    """The Hessian's convex part: without the curvature of v(l) and the prior's valleys."""


def _expand(summary: Summary, x: Array, *, prior: Prior, degree: int) -> _Local:
    """Expand -ln p by the chain rule: A, the costly part, is applied once."""

    def v(at):
        return features(at, degree)

    def negative_prior(at):
        return -prior.log_prob(at)

    slope, d = jax.jacfwd(v)(x), v(x).at[0].add(-1.0)
    applied = summary.a @ jnp.concatenate([d[:, None], slope], axis=1)
    pull = applied[:, 0] - summary.b
    bend = jnp.einsum("f,fij->ij", pull, jax.jacfwd(jax.jacfwd(v))(x))
    prior_value, prior_gradient = jax.value_and_grad(negative_prior)(x)
    linear = slope.T @ applied[:, 1:]
    return _Local(
        value=0.5 * (d @ (pull - summary.b) + summary.c) - summary.log_norm + prior_value,
        gradient=slope.T @ pull + prior_gradient,
        hessian=linear + bend + jax.hessian(negative_prior)(x),
        gauss_newton=linear + prior.curvature(x),
    )


def _one_star(states: _State) -> Laplace:
    """Compare where the starts of one star have led."""
    root, cholesky = jax.vmap(_curvature)(states.local.hessian)
    x, value = states.x, states.local.value
    best = jnp.argmin(jnp.where(jnp.isfinite(value), value, jnp.inf))
    sharp = jnp.isfinite(cholesky).all(axis=(1, 2))
    depth = value - value[best]
    white = (x - x[best][None]) @ root[best]
    counts = sharp & (states.decrement < TOLERANCE) & (depth < NEGLIGIBLE)
    new = counts & ~_found_before(white, counts)
    log_volume = jnp.sum(jnp.log(jnp.diagonal(cholesky, axis1=1, axis2=2)), axis=1)
    log_weight = jnp.where(new, log_volume - depth, -jnp.inf)
    # a star without any maximum keeps its best start, so that its numbers stay numbers
    only_best = jnp.where(jnp.arange(len(x)) == best, 0.0, -jnp.inf)
    log_weight = jnp.where(new.any(), log_weight, only_best)
    safe = jnp.where(new[:, None, None], cholesky, cholesky[best][None])
    return Laplace(
        mean=x[best],
        cholesky=cholesky[best],
        log_density=-value[best],
        converged=(states.decrement[best] < TOLERANCE) & sharp[best],
        n_modes=jnp.sum(new),
        mode_mean=x,
        mode_cholesky=safe,
        mode_log_weight=log_weight,
    )


def _curvature(hessian: Array) -> tuple[Array, Array]:
    """Cholesky factors of the Hessian and of its inverse; NaN where x is no minimum.

    A direction of which neither spectrum nor prior says anything is as wide as `WIDEST`.
    """
    values, axes = jnp.linalg.eigh(hessian)
    flat = jnp.abs(values) < WIDEST**-2
    bent = hessian + (axes * jnp.where(flat, WIDEST**-2 - values, 0.0)[None]) @ axes.T
    root = jnp.linalg.cholesky(bent)
    identity = jnp.eye(len(hessian))
    inverse_root = lax.linalg.triangular_solve(root, identity, left_side=True, lower=True)
    return root, jnp.linalg.cholesky(inverse_root.T @ inverse_root)


def _found_before(white: Array, counts: Array) -> Array:
    """Tell which maxima equal one with a lower index."""
    distance = jnp.linalg.norm(white[:, None] - white[None], axis=-1)
    earlier = jnp.tril(jnp.ones(distance.shape, bool), -1)
    return jnp.any((distance < SAME_MODE) & earlier & counts[None], axis=1)


def _minimise(expand: Callable, summary: Summary, starts: Array) -> _State:
    """Minimise from every start of every star; states are (star, start).

    Most are done after a few steps. The rest goes on in small groups, so that the slowest of a
    block does not hold up all.
    """
    n_star, n_start = len(summary.c), starts.shape[-2]
    star = jnp.repeat(jnp.arange(n_star), n_start)

    def advance(which: Array, state: _State, until: int) -> _State:
        some = jax.tree.map(lambda part: part[star[which]], summary)
        go = jax.vmap(lambda one, at: _descend(partial(expand, one), at, until))
        moved = go(some, jax.tree.map(lambda part: part[which], state))
        return jax.tree.map(lambda part, new: part.at[which].set(new), state, moved)

    def first(one: Summary, x: Array) -> _State:
        return _State(x, expand(one, x), *map(jnp.asarray, (1e-3, jnp.inf, 0)))

    starts = jnp.broadcast_to(starts, (n_star, *starts.shape[-2:]))
    every = jax.vmap(jax.vmap(first, (None, 0)))(summary, starts)
    state = jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:]), every)
    state = advance(jnp.arange(len(star)), state, EARLY)
    group = min(STATES_PER_GROUP, len(star))

    def next_group(state: _State) -> _State:
        _, which = lax.top_k(_unfinished(state, MAX_ITERATIONS).astype(jnp.float32), group)
        return advance(which, state, MAX_ITERATIONS)

    state = lax.while_loop(
        lambda state: _unfinished(state, MAX_ITERATIONS).any(), next_group, state
    )
    state = jax.tree.map(lambda part: part.reshape(n_star, n_start, *part.shape[1:]), state)
    return jax.vmap(lambda one, at: jax.vmap(partial(_polish, partial(expand, one)))(at))(
        summary, state
    )


def _unfinished(state: _State, until: int) -> Array:
    going = (state.decrement >= TOLERANCE) & (state.iteration < until)
    return going & jnp.isfinite(state.local.value)


def _descend(expand: Callable, start: _State, until: int) -> _State:
    """Levenberg's method: the curvature, damped until it descends.

    Far from the maximum, and where the posterior is not convex, the Gauss-Newton curvature leads:
    always downhill, so it needs a third of the steps.
    """

    def step(state: _State) -> _State:
        here = state.local
        convex = jnp.isfinite(jnp.linalg.cholesky(here.hessian)).all()
        near = (state.decrement < NEAR) & convex
        curvature = jnp.where(near, here.hessian, here.gauss_newton)
        size = jnp.diag(jnp.abs(jnp.diagonal(curvature)) + RIDGE)
        newton = jnp.linalg.solve(curvature + state.damping * size, here.gradient)
        trial = expand(state.x - newton)
        gain = here.gradient @ newton
        downhill = gain > 0
        better = (trial.value <= here.value) & downhill
        trusted = downhill & (state.damping < NEARLY_UNDAMPED)
        return _State(
            x=jnp.where(better, state.x - newton, state.x),
            local=jax.tree.map(partial(jnp.where, better), trial, here),
            damping=jnp.where(better, state.damping * 0.1, jnp.maximum(state.damping, 1e-6) * 10),
            decrement=jnp.where(trusted, gain, jnp.inf),
            iteration=state.iteration + 1,
        )

    return lax.while_loop(lambda state: _unfinished(state, until), step, start)


def _polish(expand: Callable, state: _State) -> _State:
    """Take the last steps, which rounding can make look uphill.

    They leave the maximum exact to rounding, so that draws are the same in any block.
    """

    def step(_, at: _State) -> _State:
        size = RIDGE * jnp.eye(at.x.size)
        full = jnp.linalg.solve(at.local.hessian + size, at.local.gradient)
        x = jnp.where(state.decrement < TOLERANCE, at.x - full, at.x)
        return at._replace(x=x, local=expand(x))

    return lax.fori_loop(0, 2, step, state)
