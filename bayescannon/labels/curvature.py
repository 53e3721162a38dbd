"""A correction of inferred labels by terms of a higher degree than the model's features."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from bayescannon.labels.polynomial import features
from bayescannon.typing import Array


class Curvature(NamedTuple):
    """A correction c_l = t'mean_l of label l, t the terms of the next degree less the features.

    `factors` (term, degree + 1) names the labels that a term multiplies. Labels are held between
    `low` and `high`, where training stars are, before terms are made of them.
    """

    factors: Int[Array, "term factor"]
    projection: Float[Array, "feature term"]
    low: Float[Array, "label"]
    high: Float[Array, "label"]
    mean: Float[Array, "term label"]
    covariance: Float[Array, "label term term"]
    gain: Float[Array, "label"]
    """What each label's correction gains in ln evidence; 0 where there is none."""

    def terms(
        self, scaled: Float[Array, "*batch label"], degree: int
    ) -> Float[jax.Array, "*batch term"]:
        """Evaluate the terms for scaled labels that a spectrum shows."""
        scaled = jnp.asarray(scaled)
        low, high = (jnp.broadcast_to(a, scaled.shape) for a in (self.low, self.high))
        held = jnp.clip(scaled, low, high)
        product = jnp.prod(held[..., self.factors], axis=-1)
        return product - features(held, degree) @ self.projection

    def bend(
        self, scaled: Float[Array, "*batch label"], degree: int
    ) -> tuple[Float[jax.Array, "*batch label"], Float[jax.Array, "*batch label"]]:
        """What true labels are more than those that a spectrum shows, and its sd."""
        terms = self.terms(scaled, degree)
        variance = jnp.einsum("...i,lij,...j->...l", terms, self.covariance, terms)
        return terms @ self.mean, jnp.sqrt(jnp.maximum(variance, 0.0))
