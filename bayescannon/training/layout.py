"""The latent vector u of a star, and all that training learns.

u holds the features of the direct labels, then the factors: flux_p = loadings_p . u + noise.
Carried labels (mass, age) touch the spectrum only through the factors, z = Gamma w(l) + N(0, 1),
where w(l) are the features with a carried label in them. A coefficient of its own in every pixel
would lend a carried label spurious information of the order of pixels / stars.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from bayescannon.batches import unpack
from bayescannon.labels import features, monomials
from bayescannon.typing import Array, Pixels, StarLabels


@dataclass(frozen=True)
class Layout:
    """Which entry of u is what; hashable, so that compiled programs can depend on it."""

    n_label: int
    degree: int
    carried: tuple[int, ...]
    n_factor: int

    @cached_property
    def direct(self) -> np.ndarray:
        """Labels that the spectrum shows itself."""
        return np.setdiff1d(np.arange(self.n_label), self.carried)

    @cached_property
    def _with_carried(self) -> np.ndarray:
        return np.isin(monomials(self.n_label, self.degree) - 1, self.carried).any(axis=1)

    @cached_property
    def spectral(self) -> np.ndarray:
        """Features of direct labels only: the first entries of u."""
        return np.flatnonzero(~self._with_carried)

    @cached_property
    def through(self) -> np.ndarray:
        """Features with a carried label, w(l)."""
        return np.flatnonzero(self._with_carried)

    @cached_property
    def linear(self) -> np.ndarray:
        """Entries of u that are a direct label itself."""
        powers = (monomials(self.n_label, self.degree)[self.spectral] > 0).sum(axis=1)
        return np.flatnonzero(powers == 1)

    @cached_property
    def carried_linear(self) -> np.ndarray:
        """Entries of w that are a carried label itself."""
        powers = (monomials(self.n_label, self.degree)[self.through] > 0).sum(axis=1)
        return np.flatnonzero(powers == 1)

    @property
    def n_spectral(self) -> int:
        """Number of features of direct labels."""
        return len(self.spectral)

    @property
    def n_latent(self) -> int:
        """Length of u."""
        return self.n_spectral + self.n_factor

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of a packed symmetric matrix over u."""
        return np.triu_indices(self.n_latent)

    def spectral_features(self, labels: StarLabels) -> Array:
        """Features of the direct labels: the first part of u, (star, spectral)."""
        return features(jnp.asarray(labels), self.degree)[:, self.spectral]

    def unpack(self, packed: Array) -> Array:
        """(..., pair) to (..., latent, latent)."""
        return unpack(packed, self.n_latent)

    def expansion(self, gamma: Array) -> jax.Array:
        """(latent, feature): u = expansion . v(l) where the factors are at their expectation."""
        out = jnp.zeros((self.n_latent, len(self.spectral) + len(self.through)))
        out = out.at[np.arange(self.n_spectral), self.spectral].set(1.0)
        return out.at[self.n_spectral :, self.through].set(gamma)


class Population(NamedTuple):
    """Direct labels are N(mean, covariance); a carried one is N(slope . v, variance) given them."""

    mean: Float[Array, "direct"]
    covariance: Float[Array, "direct direct"]
    slope: Float[Array, "carried spectral"]
    variance: Float[Array, "carried"]


class Parameters(NamedTuple):
    """All that is learned; `uncertainty` is the packed covariance of each pixel's loadings."""

    loadings: Float[Array, "pixel latent"]
    uncertainty: Float[Array, "pixel pair"]
    scatter2: Pixels
    gamma: Float[Array, "factor through"]
    population: Population
