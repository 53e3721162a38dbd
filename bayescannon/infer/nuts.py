"""NumPyro's NUTS on the summaries of many stars at once.

In coordinates whitened by the Laplace covariance every star's posterior is nearly a unit Gaussian:
the mass matrix is known before the first step, and only the step size is adapted.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float
from numpyro.infer import NUTS

from ..labels import features
from ..typing import Array, Scalar
from .newton import Laplace
from .prior import Prior
from .summary import Summary

CHAINS = 4
WARM_UP = 60
MAX_TREE_DEPTH = 5
"""31 leapfrog steps: a whitened posterior needs 3 or 7, a banana some more."""
TARGET_ACCEPTANCE = 0.9
INITIAL_STEP = 0.8


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


@partial(jax.jit, static_argnames=("draws", "degree"))
def nuts(
    keys: jax.Array, summary: Summary, fit: Laplace, prior: Prior, draws: int, degree: int
) -> Chains:
    """Sample the posterior of every star with NumPyro's NUTS.

    Parameters
    ----------
    keys : PRNG keys (star,)
    summary : Summary
        Of the same stars.
    fit : Laplace
        Their maxima and curvatures.
    prior : Prior
        Over scaled labels.
    draws : int
        Draws in each of four chains.
    degree : int
        Degree of the features.

    Returns
    -------
    Chains
        Draws of scaled labels, and the number of divergent transitions.
    """
    one_star = partial(_one_star, prior=prior, draws=draws, degree=degree)
    sample, divergent = jax.vmap(one_star)(keys, summary, fit)
    return Chains(sample, jnp.sum(divergent, axis=(1, 2)).astype(float))


def _one_star(key, summary: Summary, fit: Laplace, prior: Prior, draws: int, degree: int):
    def unwhiten(white):
        return fit.mean + fit.cholesky @ white

    def potential(white):
        scaled = unwhiten(white)
        d = features(scaled, degree).at[0].add(-1.0)
        return half_misfit(d, summary.a, summary.b) - prior.log_prob(scaled)

    chain = partial(_one_chain, potential, unwhiten, fit.mean.size, draws)
    return jax.vmap(chain)(jax.random.split(key, CHAINS))


def _one_chain(potential, unwhiten, n_label: int, draws: int, key: jax.Array):
    kernel = NUTS(
        potential_fn=potential,
        step_size=INITIAL_STEP,
        adapt_mass_matrix=False,
        inverse_mass_matrix=jnp.ones(n_label),
        target_accept_prob=TARGET_ACCEPTANCE,
        max_tree_depth=MAX_TREE_DEPTH,
    )
    begin, walk = jax.random.split(key)
    # chains start apart, so that R-hat can tell whether they meet
    start = 1.5 * jax.random.normal(begin, (n_label,))
    state = kernel.init(walk, WARM_UP, start, (), {})

    def step(state, _):
        state = kernel.sample(state, (), {})
        return state, (state.z, state.diverging)

    state, _ = lax.scan(lambda s, _: (kernel.sample(s, (), {}), None), state, length=WARM_UP)
    _, (white, diverging) = lax.scan(step, state, length=draws)
    return jax.vmap(unwhiten)(white), diverging
