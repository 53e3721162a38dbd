"""The NumPyro program of one star: the definition of the posterior, pixel by pixel."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints
from numpyro.infer import MCMC, NUTS

from bayescannon.labels import features
from bayescannon.model.error import CoefficientNoise
from bayescannon.posterior.prior import Prior
from bayescannon.typing import Coefficients, Factors, Pixels


def star_program(
    flux: Pixels,
    ivar: Pixels,
    coefficients: Coefficients,
    scatter: Pixels,
    factors: Factors,
    prior: Prior,
    n_label: int,
    degree: int,
    noise: CoefficientNoise | None = None,
) -> None:
    """Spectrum of one star given its scaled labels (Eqs. 1 and 2, test step).

    Parameters
    ----------
    flux, ivar : (pixel,)
        Only pixels that were measured and that the model describes: ivar > 0.
    coefficients : (pixel, feature)
    scatter : (pixel,)
    factors : (pixel, factor)
        Residual factors; may have no column.
    prior : Prior
        Over scaled labels.
    n_label : int
        Number of labels.
    degree : int
        Degree of the features.
    noise : CoefficientNoise, optional
        Of the coefficients in these pixels.
    """
    flat = dist.ImproperUniform(constraints.real_vector, (), (n_label,))
    scaled = jnp.asarray(numpyro.sample("scaled", flat))
    numpyro.factor("prior", prior.log_prob(scaled))
    v = features(scaled, degree)
    mean = coefficients @ v
    variance = 1.0 / ivar + scatter**2
    if noise is not None:
        lent = jnp.sum(noise.pixel / variance) * (v @ noise.feature @ v)
        numpyro.factor("coefficient_noise", -0.5 * lent)
    if factors.shape[1]:
        density = dist.LowRankMultivariateNormal(mean, factors, variance)
    else:
        density = dist.Normal(mean, jnp.sqrt(variance)).to_event(1)
    numpyro.sample("flux", density, obs=flux)


def sample_reference(
    key: jax.Array,
    arguments: tuple,
    start: jax.Array,
    draws: int,
    chains: int = 4,
    noise: CoefficientNoise | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Run NumPyro's NUTS on the full-pixel program of one star: slow and trusted.

    Parameters
    ----------
    key : PRNG key
    arguments : tuple
        What `star_program` takes, but for `noise`.
    start : (label,)
        Scaled labels to begin at.
    draws, chains : int
        Draws per chain after as many steps of warm-up (at least 500), and chains.
    noise : CoefficientNoise, optional
        Of the coefficients in these pixels.

    Returns
    -------
    scaled : (chain, draw, label)
    diverging : bool (chain, draw)
    """
    *arrays, n_label, degree = arguments
    mcmc = _sampler(n_label, degree, draws, chains)
    init = {"scaled": jnp.tile(start, (chains, 1))}
    mcmc.run(key, *arrays, noise=noise, init_params=init, extra_fields=("diverging",))
    extra = mcmc.get_extra_fields(group_by_chain=True)
    return mcmc.get_samples(group_by_chain=True)["scaled"], extra["diverging"]


@cache
def _sampler(n_label: int, degree: int, draws: int, chains: int) -> MCMC:
    """Compile once for all stars with the same number of pixels."""
    program = partial(star_program, n_label=n_label, degree=degree)
    return MCMC(
        NUTS(program, dense_mass=True),
        num_warmup=max(500, draws),
        num_samples=draws,
        num_chains=chains,
        chain_method="vectorized",
        progress_bar=False,
        jit_model_args=True,
    )
