"""Priors on the labels: explicit, recorded, and divided out again where another belongs."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from bayescannon.batches import map_stars
from bayescannon.errors import UserError
from bayescannon.labels import Mixture, WhiteMixture
from bayescannon.model import Model
from bayescannon.posterior.likelihood import STARS_AT_ONCE
from bayescannon.typing import Array

TAIL_SHARE, TAIL_WIDTH = 0.05, 2.0
"""The `population` prior has this share in a Gaussian so much wider than the training set."""
EDGE = 0.1
"""Width of the soft edge of the `flat` prior, in units of the training range of each label."""


class SoftBox(NamedTuple):
    """Flat inside a box in scaled labels, with Gaussian edges outside."""

    low: Float[Array, "label"]
    high: Float[Array, "label"]
    edge: Float[Array, "label"]

    def log_prob(self, scaled: Float[Array, "label *batch"]) -> Float[Array, "*batch"]:
        """Log density up to a constant."""
        tail = [1] * (jnp.ndim(scaled) - 1)
        low, high, edge = (jnp.asarray(a, scaled.dtype).reshape(-1, *tail) for a in self)
        outside = jnp.maximum(low - scaled, 0.0) + jnp.maximum(scaled - high, 0.0)
        return -0.5 * jnp.sum((outside / edge) ** 2, axis=0)

    def curvature(self, scaled: Float[Array, "label"]) -> Float[Array, "label label"]:
        """Minus the Hessian of the log density."""
        beyond = (scaled < self.low) | (scaled > self.high)
        return jnp.diag(jnp.where(beyond, self.edge**-2.0, 0.0))


@jax.tree_util.register_pytree_node_class
class LabelDistribution:
    """A user's NumPyro distribution over the label vector, in label units."""

    def __init__(self, distribution, pivot, scale):
        self.distribution, self.pivot, self.scale = distribution, pivot, scale

    def log_prob(self, scaled: Float[Array, "label *batch"]) -> Float[Array, "*batch"]:
        """Log density up to a constant (the scale's Jacobian)."""

        def one(at):
            return self.distribution.log_prob(at.astype(float) * self.scale + self.pivot)

        return jnp.vectorize(one, signature="(label)->()")(jnp.moveaxis(scaled, 0, -1))

    def curvature(self, scaled: Float[Array, "label"]) -> Float[Array, "label label"]:
        """Minus the Hessian of the log density, which need not be convex."""
        return -jax.hessian(self.log_prob)(scaled)

    def tree_flatten(self):
        return (self.distribution, self.pivot, self.scale), None

    @classmethod
    def tree_unflatten(cls, _, leaves):
        return cls(*leaves)


Prior = WhiteMixture | SoftBox | LabelDistribution


@jax.jit
def log_prior_of_stars(scaled: jax.Array, prior: Prior) -> jax.Array:
    """Log density at scaled labels (star, chain, draw, label)."""

    def one_star(draws):
        flat = draws.reshape(-1, draws.shape[-1]).T
        return prior.log_prob(flat).reshape(draws.shape[:-1])

    return map_stars(one_star, scaled, STARS_AT_ONCE)


def population_prior(population: Mixture) -> Mixture:
    """Density of the training set, and a broad tail that lets other stars be what they are.

    Widening every component instead would shrink labels too little that spectra show poorly:
    mass, for which the prior at given other labels is as sharp as the spectrum.
    """
    return population.with_tail(TAIL_SHARE, TAIL_WIDTH)


def apparent_prior(model: Model, prior: Prior) -> Prior:
    """Prior of the labels that spectra show, which true ones scatter about.

    Training puts the apparent labels of its stars on the scale of the true ones by a regression:
    the model's error is independent of them. The population of apparent labels is that of the
    true ones with the error's covariance taken out, so that draws under it to which the error is
    added have the population that was asked for. A flat prior is flat in both.
    """
    error = model.label_error
    if error is None or not np.any(error.covariance) or not isinstance(prior, WhiteMixture):
        return prior
    assert model.population is not None  # the mixture was made of it
    return WhiteMixture.of(population_prior(model.population).less(error.model_covariance))


def make_prior(model: Model, prior) -> tuple[Prior, str]:
    """Build a prior over scaled labels.

    Parameters
    ----------
    model : Model
        Its training set defines both named priors.
    prior : None, "population", "flat", or a NumPyro distribution
        None takes the recipe's. `population` is the density of the training labels, noise
        removed, with a broad component of 5 % for stars unlike those. `flat` is constant over the
        training range with soft edges of a tenth of the range. A distribution has event
        shape (label,), in label units.

    Returns
    -------
    prior : Prior
    description : str
        What is recorded with the posterior.

    Raises
    ------
    UserError
        If the name is unknown, the model does not know its training set, or a distribution
        has another event shape.
    """
    prior = model.recipe.inference.prior if prior is None else prior
    if not isinstance(prior, str):
        wanted = (len(model.labels),)
        if getattr(prior, "event_shape", None) != wanted:
            raise UserError(
                f"prior must be 'population', 'flat' or a NumPyro distribution with event shape "
                f"{wanted} (labels {', '.join(model.labels)}), not {prior!r}"
            )
        pivot, scale = (jnp.asarray(part) for part in model.scaling)
        return LabelDistribution(prior, pivot, scale), f"user: {type(prior).__name__}"
    if prior == "flat":
        low, high = model.scaling.to_scaled(model.label_range)
        edge = EDGE * (high - low)
        return SoftBox(*(jnp.asarray(a) for a in (low, high, edge))), "flat"
    if prior != "population":
        raise UserError(f"prior {prior!r} is unknown: use 'population' or 'flat'")
    if model.population is None:
        raise UserError(
            f"model {model.name!r} does not know its training labels, so it has no 'population' "
            "prior: use prior='flat'"
        )
    return WhiteMixture.of(population_prior(model.population)), "population"
