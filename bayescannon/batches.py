"""Two things that every numerical room does: many stars in turn, and packed symmetric matrices."""

from collections.abc import Callable
from math import gcd

import jax
import numpy as np
from jax import lax


def map_stars(function: Callable, stars, at_once: int):
    """Apply a function of one star to many, of which only few fit the processor's cache.

    Blocks are cut by hand: `lax.map` with a batch size cannot cut arrays of size 0, such as the
    factors of a model without any.
    """
    if jax.default_backend() != "cpu":
        return jax.vmap(function)(stars)
    n_star = len(jax.tree.leaves(stars)[0])
    at_once = gcd(n_star, at_once)
    cut = jax.tree.map(lambda a: a.reshape(n_star // at_once, at_once, *a.shape[1:]), stars)
    out = lax.map(jax.vmap(function), cut)
    return jax.tree.map(lambda a: a.reshape(n_star, *a.shape[2:]), out)


def unpack(packed, n: int):
    """Unpack (..., n (n + 1) / 2) upper triangles to (..., n, n)."""
    place = np.zeros((n, n), int)
    row, column = np.triu_indices(n)
    place[row, column] = place[column, row] = np.arange(row.size)
    return packed[..., place]
