"""Scaled labels, and the vector v(l) of Eq. 2: all their monomials up to a degree.

Pivots and scales make labels of order one; the training set tells them, the model keeps them.
"""

from functools import reduce
from itertools import combinations_with_replacement
from operator import mul
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from bayescannon.precision import require_float64
from bayescannon.typing import Array, Labels


class Scaling(NamedTuple):
    """Affine map between labels and scaled labels, both (label,)."""

    pivot: np.ndarray
    scale: np.ndarray

    def to_scaled(self, labels):
        """(label - pivot) / scale, for (..., label)."""
        return (labels - self.pivot) / self.scale

    def to_labels(self, scaled):
        """Inverse of `to_scaled`."""
        return scaled * self.scale + self.pivot


def learn_scaling(labels: np.ndarray) -> Scaling:
    """Take mean and standard deviation of training labels (star, label); NaN is ignored."""
    return Scaling(np.nanmean(labels, axis=0), np.nanstd(labels, axis=0))


def monomials(n_label: int, degree: int = 2) -> np.ndarray:
    """List the monomials in the order of the coefficients.

    Parameters
    ----------
    n_label : int
        Number of labels.
    degree : int
        Highest total power.

    Returns
    -------
    ndarray of int (feature, degree)
        Each row names the factors of one monomial, 0 for the constant 1 and i for label i - 1:
        the constant first, then the linear terms, then the upper triangle row by row (Eq. 2).
    """
    return np.array(list(combinations_with_replacement(range(n_label + 1), degree)))


def features_of(keep: np.ndarray, n_label: int, degree: int = 2) -> np.ndarray:
    """Positions of the features that hold none but the labels `keep`, by position."""
    return np.flatnonzero(np.isin(monomials(n_label, degree), [0, *(keep + 1)]).all(axis=1))


def features(scaled: Labels, degree: int = 2) -> Float[jax.Array, "*batch feature"]:
    """Evaluate v(l).

    Parameters
    ----------
    scaled : (..., label)
        Scaled labels, (label - pivot) / scale.
    degree : int
        Highest total power; 2 is the paper's.

    Returns
    -------
    (..., feature)
        21 features for 5 labels and degree 2.
    """
    return jnp.moveaxis(feature_rows(jnp.moveaxis(scaled, -1, 0), degree), 0, -1)


def feature_rows(
    scaled: Float[Array, "label *batch"], degree: int = 2
) -> Float[jax.Array, "feature *batch"]:
    """Evaluate v(l) with the features first: the fast layout for many draws of one star."""
    require_float64()
    with_one = jnp.concatenate([jnp.ones((1, *scaled.shape[1:]), scaled.dtype), scaled])
    factors = monomials(len(scaled), degree).T
    return reduce(mul, (with_one[factor] for factor in factors))


def n_features(n_label: int, degree: int = 2) -> int:
    """Return the number of monomials."""
    return len(monomials(n_label, degree))
