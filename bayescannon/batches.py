"""Many stars in turn, blocks of them in threads, packed symmetric matrices."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import islice
from math import gcd

import jax
import numpy as np
from jax import lax


def map_stars(function: Callable, stars, at_once: int):
    """Apply a function of one star to many, of which only few fit the processor's cache."""
    return map_groups(jax.vmap(function), stars, at_once)


def map_groups(function: Callable, stars, at_once: int):
    """Apply a function of a few stars to many, group by group.

    Groups are cut by hand: `lax.map` with a batch size cannot cut arrays of size 0, such as the
    factors of a model without any.
    """
    if jax.default_backend() != "cpu":
        return function(stars)
    n_star = len(jax.tree.leaves(stars)[0])
    at_once = gcd(n_star, at_once)
    cut = jax.tree.map(lambda a: a.reshape(n_star // at_once, at_once, *a.shape[1:]), stars)
    out = lax.map(function, cut)
    return jax.tree.map(lambda a: a.reshape(n_star, *a.shape[2:]), out)


def unpack(packed, n: int):
    """Unpack (..., n (n + 1) / 2) upper triangles to (..., n, n)."""
    place = np.zeros((n, n), int)
    row, column = np.triu_indices(n)
    place[row, column] = place[column, row] = np.arange(row.size)
    return packed[..., place]


def in_threads(work: Callable, items: Iterable) -> Iterator:
    """Work on items, one per core at a time, and give what comes of them in their order.

    No more than one result waits per core, so that memory does not grow with the items.
    """
    return in_order(_pool(), work, items, 2 * (os.cpu_count() or 1))


def in_order(pool: ThreadPoolExecutor, work: Callable, items: Iterable, most: int) -> Iterator:
    """Work on items in a pool and give results in their order; at most `most` are on their way."""
    left = iter(items)
    waiting: deque[Future] = deque(pool.submit(work, item) for item in islice(left, most))
    try:
        while waiting:
            done = waiting.popleft().result()
            waiting.extend(pool.submit(work, item) for item in islice(left, 1))
            yield done
    finally:
        for future in waiting:
            future.cancel()


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads suffice: JAX and Zarr let go of Python's lock while they work.

    They are kept: memory that new ones take from the system comes back late.
    """
    return ThreadPoolExecutor(os.cpu_count() or 1)
