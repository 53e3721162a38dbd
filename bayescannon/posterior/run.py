"""`infer`: spectra in, posteriors out, in blocks of stars."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from bayescannon.batches import in_threads
from bayescannon.errors import UserError
from bayescannon.flags import Flag
from bayescannon.keys import star_keys
from bayescannon.model import Model
from bayescannon.model.by_state import AnyModel, StateModels, parts_of, states_of
from bayescannon.model.checks import kind_of_data
from bayescannon.posterior.convolve import convolve
from bayescannon.posterior.describe import describe
from bayescannon.posterior.likelihood import (
    PixelModel,
    compress_with_factors,
    log_likelihood_of_stars,
)
from bayescannon.posterior.methods import SAMPLERS, Problem
from bayescannon.posterior.newton import laplace
from bayescannon.posterior.prior import (
    LabelDistribution,
    Prior,
    apparent_prior,
    log_prior_of_stars,
    make_prior,
)
from bayescannon.posterior.result import Block, attributes, to_datatree
from bayescannon.precision import require_float64
from bayescannon.spectra import Spectra

MAX_STARTS = 3
"""Newton starts at the pivot and at so many components of the population."""
STARS_PER_BLOCK = 256
"""Every block has this many stars, the last one padded: one compiled program serves all."""
STARS_PER_BLOCK_OF_CHANNELS = 1024  # which take little memory


def infer(
    model: AnyModel,
    spectra: Spectra,
    method: str = "auto",
    prior=None,
    draws: int = 500,
    seed: int = 0,
    out: str | os.PathLike | None = None,
    progress: Callable[[int], None] | None = None,
    overwrite: bool = False,
) -> xr.DataTree:
    """Sample the posterior of the labels of every star.

    Parameters
    ----------
    model : Model or StateModels
        A trained model, or one for each evolutionary state: then draws of both are mixed.
    spectra : Spectra
        Normalised spectra on the model's grid.
    method : {"auto", "laplace", "importance", "nuts", "reference"}
        `laplace`: the Gaussian at the posterior's maximum. `importance`: weighted draws around all
        maxima found, Pareto-smoothed. `nuts`: NumPyro's NUTS on the compressed likelihood, four
        chains a star. `auto`: importance, and NUTS where the weights cannot be trusted (k-hat above
        0.7, or few effective draws) and there is one maximum. `reference`: NumPyro's NUTS on all
        pixels (slow, for checks).
    prior : None, "population", "flat", or a NumPyro distribution
        See `make_prior`; None takes the recipe's.
    draws : int
        Draws per star; `nuts` shares them among its chains, `reference` takes as many in each.
    seed : int
        Together with each `star_id` it fixes the draws.
    out : path, optional
        Stream the blocks to this Zarr store; what is returned then reads from it lazily.
    progress : callable, optional
        Called with the number of stars done.
    overwrite : bool
        Replace a posterior store that is at `out`; nothing else is ever replaced.

    Returns
    -------
    xarray.DataTree
        `posterior/<label>` (chain, draw, star) in label units (K, dex, ln Msun);
        `sample_stats`: `log_prior` (of scaled labels, up to a constant), `log_likelihood` (of what
        the spectrum shows: the draw less the model's error), and per star chi2 (diagonal, as the
        paper's), chi2_full (with factors), dof, khat, ess, rhat, divergences, shift (error of a
        Laplace approximation, in sd), n_modes, distance (Mahalanobis, to the training set),
        p_outside, flags, and with models by state p_rc, and
        rc of each draw (`infer.by_state.mix`);
        `point`: map, mean (star, parameter), cov (star, parameter, parameter_2).
        What a method does not compute is NaN.

    Raises
    ------
    UserError
        If grids differ, if method, prior or draws cannot be used, or `out` may not be written. A
        bad star is flagged.
    """
    require_float64()
    if method not in SAMPLERS:
        raise UserError(f"method {method!r} is unknown: use one of {', '.join(SAMPLERS)}")
    if draws < 2:
        raise UserError(f"draws is {draws}: ask for 2 or more")
    _check_grid(model, spectra)
    states = states_of(model)
    models = parts_of(states or model)
    parts = [_Part.of(m, prior) for m in models]
    attrs = attributes(model, method, make_prior(models[0], prior)[1], seed)
    attrs["data"] = kind_of_data(spectra, models[0].name, models[0].report)
    order = None
    if states is not None:
        from bayescannon.posterior.by_state import CLASSIFIED, likely_together

        attrs["states"] = CLASSIFIED
        order = likely_together(states, spectra) if out is None else None
    block_of = partial(_infer_block, states, parts, method, draws, seed)
    if out is None:
        together = spectra if order is None else spectra[order]
        whole = np.arange(len(spectra)) if order is None else order
        block = _joined(_blocks(block_of, together, progress), whole)
        return to_datatree(block, spectra.star_id, attrs)
    from bayescannon.posterior.store import stream

    return stream(_blocks(block_of, spectra, progress), spectra.star_id, attrs, out, overwrite)


def _blocks(block_of, spectra: Spectra, progress) -> Iterator[Block]:
    """Infer blocks of stars, one per core at a time, and give them in their order."""
    n_block = _block_size(spectra)
    done = 0

    def work(start: int) -> Block:
        # taken here and let go: xarray keeps what it has read
        part = spectra[start : start + n_block]
        block = block_of(part)
        if part.bad_star is not None:
            block.per_star["flags"] |= np.where(part.bad_star, int(Flag.BAD_STAR), 0)
        return block

    # LAPACK's own threads would fight over matrices of five rows
    with threadpool_limits(1, "blas"):
        for block in in_threads(work, range(0, max(len(spectra), 1), n_block)):
            done += len(block.mean)
            yield block
            if progress is not None:
                progress(done)


def _block_size(spectra: Spectra) -> int:
    return STARS_PER_BLOCK if spectra.channel is None else STARS_PER_BLOCK_OF_CHANNELS


def _joined(blocks: Iterator[Block], order: np.ndarray) -> Block:
    """Put the stars of blocks, which come in this order, where they belong."""
    whole, done = None, 0
    for block in blocks:
        if whole is None:
            whole = jax.tree.map(lambda a: np.empty((len(order), *a.shape[1:]), a.dtype), block)
        rows = order[done : done + len(block.mean)]
        jax.tree.map(partial(_put_rows, rows), whole, block)
        done += len(rows)
    assert whole is not None  # there is one block at least
    return whole


def _put_rows(rows: np.ndarray, whole: np.ndarray, part: np.ndarray) -> None:
    whole[rows] = part


def _check_grid(model: AnyModel, spectra: Spectra) -> None:
    if model.channel is not None or spectra.channel is not None:
        if tuple(spectra.channel or ()) != (model.channel or ()):
            raise UserError(
                f"spectra have channels {spectra.channel}, model {model.name!r} {model.channel}"
            )
        return
    ours, theirs = np.asarray(model.wavelength), np.asarray(spectra.wavelength)
    if ours.shape != theirs.shape or not np.allclose(ours, theirs, rtol=1e-7, atol=0):
        raise UserError(
            f"spectra have {theirs.size} pixels from {theirs[0]:.3f} to {theirs[-1]:.3f} Angstrom, "
            f"but model {model.name!r} has {ours.size} from {ours[0]:.3f} to {ours[-1]:.3f}: "
            "ingest the spectra for this model's grid"
        )


def pixel_model(model: Model) -> PixelModel:
    """What the summaries of all spectra share."""
    pixels = (model.coefficients, model.scatter, model.usable, model.factors)
    return PixelModel.of(*pixels, model.coefficient_noise)


class _Part(NamedTuple):
    """A model, the only one or that of one state, ready to be used."""

    model: Model
    pixels: PixelModel
    whole: Prior
    """Of all labels; the others are of those that spectra show themselves."""
    prior: Prior
    apparent: Prior
    """Of the labels that spectra show, which are true ones but for the model's error."""

    @classmethod
    def of(cls, model: Model, wanted) -> "_Part":
        whole, _ = make_prior(model, wanted)
        own, prior = model.direct, whole
        if model.relation is not None:
            # a user's prior weighs draws that the spectrum alone gave
            prior, _ = make_prior(own, "flat" if isinstance(whole, LabelDistribution) else wanted)
        return cls(model, pixel_model(own), whole, prior, apparent_prior(own, prior))


class _Stars(NamedTuple):
    """A block of stars, padded."""

    keys: jax.Array
    flux: jax.Array
    ivar: jax.Array
    wanted: np.ndarray


def _infer_block(
    states: StateModels | None,
    parts: list[_Part],
    method: str,
    draws: int,
    seed: int,
    spectra: Spectra,
) -> Block:
    n_star = len(spectra)
    missing = _block_size(spectra) - n_star
    recipe = parts[0].model.recipe
    flux, ivar = spectra.arrays(spectra.precision, recipe.pixels.max_error)
    arrays = (flux, recipe.errors.photon_ivar(ivar))
    if missing:
        arrays = tuple(np.pad(a, ((0, missing), (0, 0))) for a in arrays)
    flux, ivar = map(jnp.asarray, arrays)
    names = np.concatenate([spectra.star_id, np.full(missing, "padding")])
    stars = _Stars(star_keys(seed, names), flux, ivar, np.arange(len(names)) < n_star)
    if states is None:
        return _crop(_infer_part(parts[0], stars, method, draws), n_star)
    from bayescannon.posterior.by_state import infer_states

    def infer_one(part: _Part, wanted: np.ndarray) -> Block:
        return _crop(_infer_part(part, stars._replace(wanted=wanted), method, draws), n_star)

    return infer_states(states, parts, spectra, stars.wanted, infer_one, seed)


def _infer_part(part: _Part, stars: _Stars, method: str, draws: int) -> Block:
    """Infer stars, padding included, with one model."""
    model, prior = part.model.direct, part.apparent
    summary, factors = compress_with_factors(stars.flux, stars.ivar, part.pixels)
    degree = model.recipe.labels.degree
    fit = laplace(summary, prior, _starts(model), degree)
    keys, flux, ivar, wanted = stars
    problem = Problem(keys, summary, fit, prior, model, flux, ivar, draws, wanted)
    sampled = SAMPLERS[method](problem)
    log_like = log_likelihood_of_stars(jnp.asarray(sampled.draws), summary, degree)
    shown = sampled.draws
    if model.label_error is not None:
        added = convolve(keys, shown, model.label_error, degree)
        sampled = sampled._replace(draws=added)
    log_prior = log_prior_of_stars(jnp.asarray(sampled.draws), part.prior)
    block = describe(model, summary, fit, sampled, log_prior, log_like, ivar)
    if part.model.relation is None:
        return block
    from bayescannon.posterior.indirect import add_indirect

    return add_indirect(part.model, part.whole, block, keys, shown, factors)


def _starts(model: Model) -> jax.Array:
    origin = jnp.zeros((1, len(model.labels)))
    # channels are mostly labels themselves and leave nothing to search
    if model.population is None or model.channel is not None:
        return origin
    # the components are ordered by weight: more starts cost time and find nothing new
    heaviest = jnp.asarray(model.population.mean)[:MAX_STARTS]
    return jnp.concatenate([origin, heaviest])


def _crop(block: Block, n_star: int) -> Block:
    """Drop the padding."""
    return jax.tree.map(lambda values: values[:n_star], block)
