"""NumPyro's NUTS on the summaries of many stars at once.

In coordinates whitened by the Laplace covariance every star's posterior is nearly a unit Gaussian:
mass matrix and step size are known before the first step, and three leapfrog steps cross it. All
stars take the same number of steps, so none waits for another.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float
from numpyro.infer import NUTS

from bayescannon.labels import features
from bayescannon.posterior.frame import Frame
from bayescannon.posterior.likelihood import Summary
from bayescannon.posterior.prior import Prior
from bayescannon.typing import Array, Scalar

CHAINS = 4
WARM_UP = 20
"""Transitions from where a chain starts, 1.5 sd from the middle, to where it counts."""


class Stride(NamedTuple):
    """Size of a leapfrog step in the frame, and how many doublings a trajectory may have."""

    step: float
    max_tree_depth: int


FAST = Stride(1.1, 2)
"""Three leapfrog steps: just short of a U-turn in a unit Gaussian."""
SURE = Stride(0.5, 4)
"""For the few posteriors on which the fast stride fails."""


@jax.custom_vjp
def half_misfit(
    d: Float[Array, "feature"], a: Float[Array, "feature feature"], b: Float[Array, "feature"]
) -> Scalar:
    """Half of d.A.d - 2 d.b: minus the log likelihood up to a constant.

    The gradient costs no second matrix product: A is symmetric, so it is A d - b.
    """
    return 0.5 * d @ (a @ d) - d @ b


def _half_misfit_forward(d, a, b):
    pull = a @ d - b
    return 0.5 * d @ (pull - b), pull


def _half_misfit_backward(pull, cotangent):
    return cotangent * pull, None, None


half_misfit.defvjp(_half_misfit_forward, _half_misfit_backward)


class Chains(NamedTuple):
    """Draws of many stars and their divergences."""

    draws: Float[Array, "star chain draw label"]
    divergences: Float[Array, "star"]


@partial(jax.jit, static_argnames=("draws", "degree", "stride"))
def nuts(
    keys: jax.Array,
    summary: Summary,
    frame: Frame,
    prior: Prior,
    draws: int,
    degree: int,
    stride: Stride = FAST,
) -> Chains:
    """Sample the posterior of every star with NumPyro's NUTS.

    Parameters
    ----------
    keys : PRNG keys (star,)
    summary : Summary
        Of the same stars.
    frame : Frame
        Of the same stars: their maxima and the Laplace covariance, or better moments.
    prior : Prior
        Over scaled labels.
    draws : int
        Draws in each of four chains.
    degree : int
        Degree of the features.
    stride : Stride

    Returns
    -------
    Chains
        Draws of scaled labels, and the number of divergent transitions.
    """
    one_star = partial(_one_star, prior=prior, draws=draws, degree=degree, stride=stride)
    sample, divergent = jax.vmap(one_star)(keys, summary, frame)
    return Chains(sample, jnp.sum(divergent, axis=(1, 2)).astype(float))


def _one_star(key, summary, frame: Frame, prior: Prior, draws: int, degree: int, stride: Stride):
    def unwhiten(white):
        return frame.mean + frame.cholesky @ white

    def potential(white):
        scaled = unwhiten(white)
        d = features(scaled, degree).at[0].add(-1.0)
        return half_misfit(d, summary.a, summary.b) - prior.log_prob(scaled)

    chain = partial(_one_chain, potential, frame.mean.size, draws, stride)
    white, divergent = jax.vmap(chain)(jax.random.split(key, CHAINS))
    return jax.vmap(jax.vmap(unwhiten))(white), divergent


def _one_chain(potential, n_label: int, draws: int, stride: Stride, key: jax.Array):
    kernel = NUTS(
        potential_fn=potential,
        step_size=stride.step,
        adapt_step_size=False,
        adapt_mass_matrix=False,
        inverse_mass_matrix=jnp.ones(n_label),
        max_tree_depth=stride.max_tree_depth,
    )
    begin, run = jax.random.split(key)
    # chains start apart, so that R-hat can tell whether they meet
    start = 1.5 * jax.random.normal(begin, (n_label,))

    def advance(state, _):
        state = kernel.sample(state, (), {})
        return state, (state.z, state.diverging)

    # one loop for warm-up and draws: compiling the kernel once takes half as long as twice
    _, kept = lax.scan(advance, kernel.init(run, 0, start, (), {}), length=WARM_UP + draws)
    return jax.tree.map(lambda a: a[WARM_UP:], kept)
