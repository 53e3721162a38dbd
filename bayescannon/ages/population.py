"""The distribution of ages of a sample of stars, from the age draws of each.

Each star has an age posterior under a prior of its own, which is not what we want to know of a
sample. With that prior divided out, the draws x_nj of x = log10 age say how likely the star's
spectrum is at each age, and the sample's distribution f follows from ::

    p(data | f) = prod_n  mean_j  f(x_nj) / prior(x_nj)

(importance sampling: Hogg, Myers & Bovy 2010, ApJ 725, 2166). f is a histogram whose log weights
walk at random from bin to bin, so that neighbours are alike; how much so is inferred too.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jaxtyping import Bool, Float, Int
from numpyro.infer import MCMC, NUTS

from bayescannon.errors import UserError
from bayescannon.precision import require_float64
from bayescannon.typing import Array, Scalar

EDGES = np.linspace(-1.0, np.log10(13.8), 23)
"""Bins of log10(age / Gyr): 0.1 Gyr, where the isochrones begin, to 13.8 Gyr, 0.097 dex wide."""
DIVISIBLE = ("flat-age", "flat-log-age")
"""Age priors that are the same for all stars and both states."""
YOUNG = 5.0
"""Stars below this age count as young [Gyr] (Ness et al. 2016, Fig. 10)."""
WARM_UP = 150
MAX_TREE_DEPTH = 5
CELLS_AT_ONCE = 16
SIZES = tuple(32 * 4**i for i in range(7))
"""Cells are padded to the next of these numbers of stars: few compiled programs serve all."""


class Ages(NamedTuple):
    """What samples of stars are like: draws for each cell (sample)."""

    weight: Float[np.ndarray, "cell draw bin"]
    """Of the bins `EDGES`; sums to 1."""
    median: Float[np.ndarray, "cell draw"]
    """Median age of the distribution that the stars come from [Gyr]."""
    star_median: Float[np.ndarray, "cell draw"]
    """Median age of these very stars [Gyr]: better known, as they are finitely many."""
    star_young: Float[np.ndarray, "cell draw"]
    """Share of these very stars that are younger than `YOUNG`."""
    stars: Int[np.ndarray, "cell"]
    """Stars with an age."""


def age_likelihood(
    age: Float[np.ndarray, "star draw"], prior: str = "flat-age"
) -> Float[np.ndarray, "star bin"]:
    """How likely each star is in each bin of age, up to a constant of the star.

    Parameters
    ----------
    age : (star, draw)
        Posterior draws [Gyr], such as `posterior/age` of `infer_ages`, all of equal weight.
    prior : {"flat-age", "flat-log-age"}
        The prior that the draws were made with; it is divided out.

    Returns
    -------
    (star, bin)
        Zero throughout for a star without an age (NaN).

    Raises
    ------
    UserError
        If the prior differs from star to star, so that mixed draws cannot be rid of it.
    """
    if prior not in DIVISIBLE:
        raise UserError(
            f"age prior {prior!r} differs from star to star and cannot be divided out of draws: "
            f"make the ages with one of {', '.join(DIVISIBLE)}"
        )
    x = np.log10(np.asarray(age, float))
    weight = 1 / np.asarray(age, float) if prior == "flat-age" else np.ones(x.shape)
    known = np.isfinite(x)
    place = np.searchsorted(EDGES, np.nan_to_num(x), side="right") - 1
    place = np.clip(place, 0, len(EDGES) - 2) + np.arange(len(x))[:, None] * (len(EDGES) - 1)
    size = len(x) * (len(EDGES) - 1)
    binned = np.bincount(place[known], weight[known], minlength=size).reshape(len(x), -1)
    total = binned.sum(axis=1, keepdims=True)
    return np.divide(binned, total, out=np.zeros_like(binned), where=total > 0)


def histogram(likelihood: Float[Array, "star bin"], known: Bool[Array, "star"]) -> None:
    """NumPyro program: the weights of the bins, given what each star says.

    Parameters
    ----------
    likelihood : (star, bin)
        Mean of each star's likelihood over the ages of a bin.
    known : (star,)
        False for padding.
    """
    n_bin = likelihood.shape[1]
    roughness = numpyro.sample("roughness", dist.HalfNormal(1.0))
    step = numpyro.sample("step", dist.Normal(0.0, 1.0).expand([n_bin - 1]).to_event(1))
    walk = jnp.concatenate([jnp.zeros(1), jnp.cumsum(roughness * step)])
    weight = numpyro.deterministic("weight", jax.nn.softmax(walk))
    per_star = jnp.where(known, likelihood @ weight, 1.0)
    numpyro.factor("stars", jnp.sum(jnp.log(per_star)))


def infer_population(
    likelihood: Float[np.ndarray, "star bin"],
    cell: Int[np.ndarray, "star"] | None = None,
    shared: Float[np.ndarray, "cell"] | float = 0.0,
    draws: int = 500,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Ages:
    """Infer the age distribution of each of many samples, by NumPyro's NUTS.

    Parameters
    ----------
    likelihood : (star, bin)
        From `age_likelihood`.
    cell : (star,) int, optional
        Which sample a star belongs to, counted from 0; -1 for none. One sample without.
    shared : float or (cell,)
        Error of log10 age that all stars of a sample share [dex], such as that of the model's
        label scale. It does not average out: every draw of a sample is shifted by one draw of it.
    draws : int
        Draws of every sample's distribution.
    seed : int
        A sample's draws depend on it and on the sample's number.
    progress : callable, optional
        Called with the number of cells done.

    Returns
    -------
    Ages
        NaN for a cell without stars.

    Raises
    ------
    UserError
        If there is no cell.
    """
    require_float64()
    likelihood = np.asarray(likelihood, float)
    cell = np.zeros(len(likelihood), int) if cell is None else np.asarray(cell)
    n_cell = int(cell.max(initial=-1)) + 1
    if n_cell == 0:
        raise UserError("no star is in a cell: nothing to infer ages of")
    known = likelihood.sum(axis=1) > 0
    shared = np.broadcast_to(np.asarray(shared, float), (n_cell,))
    members = [np.flatnonzero((cell == i) & known) for i in range(n_cell)]
    stars = np.array([len(m) for m in members])
    shapes = ((n_cell, draws, likelihood.shape[1]), *[(n_cell, draws)] * 3)
    out = [np.full(shape, np.nan) for shape in shapes]
    size = np.searchsorted(SIZES, stars)
    done = 0
    for k in np.unique(size[stars > 0]):
        here = np.flatnonzero((size == k) & (stars > 0))
        at_once = 1 if len(here) == 1 else CELLS_AT_ONCE
        for start in range(0, len(here), at_once):
            numbers = here[start : start + at_once]
            padded = _pad([likelihood[members[i]] for i in numbers], SIZES[k], at_once)
            keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))(
                jnp.asarray(np.resize(numbers, at_once))
            )
            error = jnp.asarray(np.resize(shared[numbers], at_once))
            # NumPyro's own NUTS divides floats by integers
            with jax.numpy_dtype_promotion("standard"):
                found = _many_cells(keys, *padded, error, draws)
            for array, values in zip(out, found, strict=True):
                array[numbers] = np.asarray(values)[: len(numbers)]
            done += len(numbers)
            if progress is not None:
                progress(done)
    return Ages(*out, stars)


def _pad(parts: list[np.ndarray], size: int, at_once: int) -> tuple[Array, Array]:
    """Fill up stars with blanks and cells by repeating: all batches share one program."""
    likelihood = np.ones((at_once, size, parts[0].shape[1]))
    known = np.zeros((at_once, size), bool)
    for i in range(at_once):
        part = parts[i % len(parts)]
        likelihood[i, : len(part)], known[i, : len(part)] = part, True
    return jnp.asarray(likelihood), jnp.asarray(known)


@partial(jax.jit, static_argnames="draws")
def _many_cells(keys, likelihood, known, shared, draws: int):
    return jax.vmap(partial(_one_cell, draws=draws))(keys, likelihood, known, shared)


def _one_cell(key, likelihood, known, shared, draws: int):
    walk, place, error = jax.random.split(key, 3)
    shift = shared * jax.random.normal(error, (draws,))
    kernel = NUTS(histogram, max_tree_depth=MAX_TREE_DEPTH)
    mcmc = MCMC(kernel, num_warmup=WARM_UP, num_samples=draws, progress_bar=False)
    mcmc.run(walk, likelihood, known)
    weight = mcmc.get_samples()["weight"]
    median = jax.vmap(lambda w: _quantile(w[None], jnp.full(1, 0.5))[0])(weight)

    def the_stars(given):
        key, w, shift = given
        uniform = jax.random.uniform(key, (known.size,))
        x = _quantile(likelihood * w[None], uniform) + shift
        young = jnp.sum(known & (x < np.log10(YOUNG)))
        return 10 ** _median(x, known), young / jnp.sum(known)

    given = jax.random.split(place, draws), weight, shift
    star_median, young = jax.lax.map(the_stars, given)
    return weight, 10 ** (median + shift), star_median, young


def _quantile(mass: Float[Array, "star bin"], level: Float[Array, "star"]) -> Float[Array, "star"]:
    """x below which a share `level` of each row's mass lies; within a bin the mass is even."""
    total = jnp.cumsum(mass, axis=1)
    total = jnp.pad(total, ((0, 0), (1, 0))) / total[:, -1:]
    edges = jnp.asarray(EDGES)
    return jax.vmap(lambda p, c: jnp.interp(p, c, edges))(level, total)


def _median(x: Float[Array, "star"], known: Bool[Array, "star"]) -> Scalar:
    ordered = jnp.sort(jnp.where(known, x, jnp.inf))
    n = jnp.sum(known)
    return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2


def share_younger(
    likelihood: Float[np.ndarray, "star bin"],
    weight: Float[np.ndarray, "bin"],
    ages: Sequence[float],
) -> Float[np.ndarray, "star age"]:
    """Probability that each star is younger than each of some ages [Gyr].

    Parameters
    ----------
    likelihood : (star, bin)
        From `age_likelihood`.
    weight : (bin,)
        Distribution of ages that the stars come from: their prior.
    ages : sequence of float
    """
    mass = likelihood * weight[None]
    total = np.pad(np.cumsum(mass, axis=1), ((0, 0), (1, 0)))
    place = np.interp(np.log10(ages), EDGES, np.arange(len(EDGES)))
    low = np.clip(place.astype(int), 0, len(EDGES) - 2)
    part = place - low
    below = (1 - part)[None] * total[:, low] + part[None] * total[:, low + 1]
    whole = total[:, -1:]
    share = np.divide(below, whole, out=np.full(below.shape, np.nan), where=whole > 0)
    return np.clip(share, 0.0, 1.0)
