"""The one place where JAX is set: to float64, its promotion rules, its compilation cache.

Chi-square differences of order one are read off sums of order 1e8: float32 cannot do it. Importing
this module, as every numerical module does, sets `jax_enable_x64` for the whole process, whatever
it was before. `require_float64` stands at the head of every public function that computes, because
a program may switch it off again.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import jax

from bayescannon.errors import UserError

jax.config.update("jax_enable_x64", True)


def require_float64() -> None:
    """Refuse to compute in single precision.

    Raises
    ------
    UserError
        When JAX's double precision is switched off.
    """
    if not jax.config.jax_enable_x64:
        raise UserError(
            "JAX computes in single precision, which is not exact enough for bayescannon: switch "
            'double precision on with jax.config.update("jax_enable_x64", True)'
        )


@contextmanager
def numpyro_rules() -> Generator[None]:
    """Let NumPyro's own code promote dtypes and ranks, whatever the user's JAX settings."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def cache_dir() -> Path:
    """Return the user's cache folder of this package (`XDG_CACHE_HOME` is respected)."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "bayescannon"


def use_compilation_cache() -> None:
    """Keep compiled programs in the user's cache folder, so that a second run starts warm.

    `JAX_COMPILATION_CACHE_DIR`, when set, wins.
    """
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str(cache_dir() / "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
