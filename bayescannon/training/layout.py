"""The latent vector u of a star, and all that training learns.

u holds the features of the labels, then the residual factors: flux_p = loadings_p . u + noise.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from bayescannon.batches import unpack
from bayescannon.labels import features, monomials, n_features
from bayescannon.typing import Array, Pixels, StarLabels


@dataclass(frozen=True)
class Layout:
    """Which entry of u is what; hashable, so that compiled programs can depend on it."""

    n_label: int
    degree: int
    n_factor: int

    @cached_property
    def n_feature(self) -> int:
        """Number of features: the first entries of u."""
        return n_features(self.n_label, self.degree)

    @cached_property
    def linear(self) -> np.ndarray:
        """Entries of u that are a label itself."""
        return np.flatnonzero((monomials(self.n_label, self.degree) > 0).sum(axis=1) == 1)

    @property
    def n_latent(self) -> int:
        """Length of u."""
        return self.n_feature + self.n_factor

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of a packed symmetric matrix over u."""
        return np.triu_indices(self.n_latent)

    def features(self, labels: StarLabels) -> Array:
        """First part of u, (star, feature)."""
        return features(jnp.asarray(labels), self.degree)

    def unpack(self, packed: Array) -> Array:
        """(..., pair) to (..., latent, latent)."""
        return unpack(packed, self.n_latent)


class Population(NamedTuple):
    """Labels are N(mean, covariance)."""

    mean: Float[Array, "label"]
    covariance: Float[Array, "label label"]


class Parameters(NamedTuple):
    """All that is learned; `uncertainty` is the packed covariance of each pixel's loadings."""

    loadings: Float[Array, "pixel latent"]
    uncertainty: Float[Array, "pixel pair"]
    scatter2: Pixels
    population: Population
