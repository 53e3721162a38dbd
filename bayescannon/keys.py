"""Random numbers of a star: from the seed and its name, so that order and blocks do not matter."""

import hashlib

import jax
import numpy as np

import bayescannon.precision  # noqa: F401

_fold_in_each = jax.jit(jax.vmap(jax.random.fold_in, (None, 0)))
"""Operation by operation it takes as long as a tenth of the posteriors."""


def star_keys(seed: int, star_id: np.ndarray) -> jax.Array:
    """Make one key a star.

    Parameters
    ----------
    seed : int
        The run's seed.
    star_id : array of str (star,)
        Names of the stars.

    Returns
    -------
    PRNG keys (star,)
    """
    names = np.array([_number(str(name)) for name in star_id], dtype=np.uint32)
    return _fold_in_each(jax.random.key(seed), names)


def star_generator(seed: int, star_id: str) -> np.random.Generator:
    """Make NumPy's generator of one star, for simulated data."""
    return np.random.default_rng([seed, _number(star_id)])


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
