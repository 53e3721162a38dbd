"""The NumPyro program of one pixel: the definition that the fast solver is tested against."""

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints

from bayescannon.typing import StarFeatures, Stars


def pixel_program(v: StarFeatures, flux: Stars, ivar: Stars) -> None:
    """Flux of one pixel in many stars: a quadratic in the labels, plus scatter (Eqs. 1 and 2).

    The prior is flat in the coefficients `theta` and in the intrinsic variance `scatter2`.
    Training maximises over `scatter2` with `theta` integrated out (restricted likelihood: the
    plain maximum is low because the coefficients fit part of the scatter), then over `theta`.

    Parameters
    ----------
    v : (star, feature)
        Features of the training labels.
    flux, ivar : (star,)
        Flux in this pixel and its inverse variance; 0 = not measured.
    """
    theta = numpyro.sample(
        "theta", dist.ImproperUniform(constraints.real_vector, (), (v.shape[1],))
    )
    scatter2 = numpyro.sample("scatter2", dist.ImproperUniform(constraints.positive, (), ()))
    measured = ivar > 0
    variance = 1.0 / jnp.where(measured, ivar, 1.0) + scatter2
    with numpyro.handlers.mask(mask=measured):
        numpyro.sample("flux", dist.Normal(v @ theta, jnp.sqrt(variance)), obs=flux)
