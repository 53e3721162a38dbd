"""The two states of a star mixed: quantiles, moments and draws of its age."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

import bayescannon.precision  # noqa: F401
from bayescannon.ages.posterior import AgeDensity, quantiles
from bayescannon.typing import Array, Scalar, Stars

LEVELS = (0.025, 0.16, 0.5, 0.84, 0.975)
QUANTITIES = ("age", "age_rgb", "age_rc")


class Mixed(NamedTuple):
    """Ages [Gyr] of a block of stars: states mixed, giant branch, clump (`QUANTITIES`)."""

    draws: Float[Array, "star quantity draw"]
    quantile: Float[Array, "star quantity level"]
    mean: Float[Array, "star quantity"]
    std: Float[Array, "star quantity"]
    p_rc_post: Stars
    """P(rc) once the mass has been compared with both states' masses."""
    p_trunc: Stars
    p_young: Stars
    p_extrapolated: Stars


@partial(jax.jit, static_argnames="n_draw")
def mix_states(
    rgb: AgeDensity,
    rc: AgeDensity,
    p_rc: Stars,
    x: Float[Array, "x"],
    last_x: Scalar,
    keys: jax.Array,
    n_draw: int,
) -> Mixed:
    """Mix the states: P(state) times how well the state explains the mass.

    Parameters
    ----------
    rgb, rc : AgeDensity
        On the same axis `x` = log10(age / Gyr).
    p_rc : (star,)
        P(rc) before the mass is known, 0 to 1.
    last_x : float
        x of the last isochrone; beyond it the grid is an extrapolation.
    keys : PRNG keys (star,)
    n_draw : int
    """
    log_odds = jnp.log(p_rc) - jnp.log1p(-p_rc) + rc.log_evidence - rgb.log_evidence
    share = jax.nn.sigmoid(log_odds)
    mixed = share[:, None] * rc.density + (1 - share[:, None]) * rgb.density
    densities = jnp.stack([mixed, rgb.density, rc.density], axis=1)  # as in QUANTITIES
    age = jnp.exp(jnp.log(10.0) * x)
    mean = densities @ age
    rows = densities.reshape(-1, x.size)
    levels = quantiles(rows, x, jnp.asarray(LEVELS)[None]).reshape(-1, 3, len(LEVELS))
    uniform = jax.vmap(lambda key: jax.random.uniform(key, (3, n_draw)))(keys)
    x_rgb = quantiles(rgb.density, x, uniform[:, 0])
    x_rc = quantiles(rc.density, x, uniform[:, 1])
    x_mixed = jnp.where(uniform[:, 2] < share[:, None], x_rc, x_rgb)
    return Mixed(
        draws=jnp.exp(jnp.log(10.0) * jnp.stack([x_mixed, x_rgb, x_rc], axis=1)),
        quantile=10**levels,
        mean=mean,
        std=jnp.sqrt(jnp.maximum(densities @ age**2 - mean**2, 0.0)),
        p_rc_post=share,
        p_trunc=p_rc * rc.p_trunc + (1 - p_rc) * rgb.p_trunc,
        p_young=p_rc * rc.p_young + (1 - p_rc) * rgb.p_young,
        p_extrapolated=mixed @ (x > last_x).astype(float),
    )
