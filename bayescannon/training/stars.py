"""All training stars together: padded to blocks, inferred, summed up as a population."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from bayescannon.training.e_step import LabelPrior, Moments, PosteriorPoints, infer_stars
from bayescannon.training.layout import Layout, Parameters, Population
from bayescannon.training.loadings import pixel_blocks
from bayescannon.training.sums import Sums, sum_pixels
from bayescannon.typing import Array, StarPixels

STARS_PER_BLOCK = 128
SMALL_LEVERAGE = 0.03
"""Mean leverage of a star in a pixel's loadings below which their uncertainty is neglected: in
expectation over it thousands of pixels would pull labels towards the pivot."""
SMALL_PULL = 0.3
"""[posterior sd] What an expectation over the loadings may pull labels by."""
LEAST_SHARE = 0.5
"""A catalogue label is never worth more than its stated error promises, by this in variance."""


class Data(NamedTuple):
    """Stars padded to whole blocks, `use` is 0 for padding; `blocks` are the same, by pixels."""

    flux: StarPixels
    ivar: StarPixels
    observed: Array
    precision: Array
    use: Array
    blocks: list


def padded(flux, ivar, observed, variance) -> Data:
    """Pad stars to whole blocks; arguments as for `fit_joint`."""
    extra = -len(flux) % STARS_PER_BLOCK
    rows = ((0, extra), (0, 0))
    known = np.isfinite(observed)
    # an error of zero is no information on errors: a label is never better than 1e-3 of its scale
    precision = np.where(known, 1.0 / np.maximum(variance, 1e-6), 0.0)
    flux = np.pad(np.where(ivar > 0, flux, 0.0).astype(np.float32), rows)
    ivar = np.pad(np.asarray(ivar, np.float32), rows)
    use = np.pad(np.ones(len(observed)), (0, extra))
    return Data(
        flux,
        ivar,
        jnp.asarray(np.pad(np.where(known, observed, 0.0), rows)),
        jnp.asarray(np.pad(precision, rows)),
        jnp.asarray(use),
        pixel_blocks(flux, ivar),
    )


def few_stars(n_latent: int, n_star: float, n_pixel: int) -> bool:
    """Whether likelihoods are expectations over the loadings, which few stars leave uncertain.

    Such an expectation steadies labels, but pulls them towards the pivot: by about the leverage
    times the root of the number of pixels, in posterior sd. It is taken where it is needed, and
    where it does no harm.
    """
    leverage = n_latent / n_star
    return bool(leverage > SMALL_LEVERAGE or leverage * np.sqrt(n_pixel) < SMALL_PULL)


def sum_all(layout: Layout, p: Parameters, data: Data, own) -> Sums:
    """Sum up the spectra of all stars, block by block; arguments as for `sum_pixels`."""
    exact = few_stars(layout.n_latent, float(jnp.sum(data.use)), data.flux.shape[1])
    blocks = []
    for start in range(0, len(data.use), STARS_PER_BLOCK):
        rows = slice(start, start + STARS_PER_BLOCK)
        flux, ivar = (jnp.asarray(a[rows]) for a in (data.flux, data.ivar))
        blocks.append(sum_pixels(layout, p, flux, ivar, own[rows], exact))
    return Sums(*(jnp.concatenate(parts) for parts in zip(*blocks, strict=True)))


def infer_all(
    layout: Layout, p: Parameters, data: Data, sums: Sums, labels, precision, prior: LabelPrior
) -> PosteriorPoints:
    """Do the E-step for all stars, block by block; arguments as for `infer_stars`."""
    blocks = []
    for start in range(0, len(data.use), STARS_PER_BLOCK):
        rows = slice(start, start + STARS_PER_BLOCK)
        stars = (data.observed[rows], precision[rows], labels[rows])
        blocks.append(infer_stars(layout, p, Sums(*(a[rows] for a in sums)), *stars, prior))
    return PosteriorPoints(*(jnp.concatenate(parts) for parts in zip(*blocks, strict=True)))


def catalogue_precision(
    data: Data,
    missed: Float[np.ndarray, "star label"],
    own: Float[np.ndarray, "star label label"],
    leverage: Float[np.ndarray, "star"],
) -> Float[np.ndarray, "star label label"]:
    """What a catalogue's labels are worth beside those that the spectrum shows.

    (catalogue - inferred) has the variance of the catalogue's errors, of what the model gets
    wrong, and of the spectrum's own noise. The first two lie between the labels of the catalogue
    and those that the spectrum shows, and only their sum matters here.

    Parameters
    ----------
    data
    missed : (star, label)
        Catalogue less inferred labels, each star left out of what inferred it.
    own : (star, label, label)
        Covariance of the inferred labels, from the spectrum alone.
    leverage : (star,)
        Of each star in a regression on the features.

    Returns
    -------
    (star, label, label)
        Inverse of that sum for each star, never less than half its stated variance; 0 where the
        catalogue has no label.
    """
    known = np.asarray(data.precision) > 0
    counts = np.where(known, 1.0, 0.0)
    stated = 1.0 / np.where(known, np.asarray(data.precision), 1.0)
    both = np.maximum(counts.T @ counts, 1.0)
    typical = np.sqrt((counts * stated).sum(axis=0) / np.diagonal(both))
    off = counts * missed / typical
    total = np.einsum("n,ni,nj->ij", 1.0 - leverage, off, off)
    total -= np.einsum("ni,nj,nij->ij", counts, counts, own / np.outer(typical, typical))
    size = np.where(known, np.sqrt(stated) / typical, 1.0)
    identity = np.eye(len(typical))
    of_star = total / both - identity + size[:, :, None] ** 2 * identity
    values, axes = np.linalg.eigh(of_star / size[:, :, None] / size[:, None])
    inverse = np.einsum("nik,nk,njk->nij", axes, 1.0 / np.maximum(values, LEAST_SHARE), axes)
    scale = np.where(known, size * typical, np.inf)
    return inverse / (scale[:, :, None] * scale[:, None])


def masked(m: Moments, use: Array) -> Moments:
    """Set the moments of padding to zero."""
    return Moments(*(a * use.reshape(-1, *[1] * (a.ndim - 1)) for a in m))


def moved_by(m: Moments, before: Array, use: Array) -> np.ndarray:
    """Change of the labels, rms over stars, in units of their posterior sd."""
    change = jnp.sum(use[:, None] * (m.labels - before) ** 2, axis=0)
    return np.asarray(jnp.sqrt(change / jnp.einsum("nii->i", m.covariance)))


def population_of(m: Moments, n_star: int) -> Population:
    """Mean and covariance of the labels."""
    mean = jnp.sum(m.labels, axis=0) / n_star
    second = m.covariance + m.labels[:, :, None] * m.labels[:, None]
    return Population(mean, jnp.sum(second, axis=0) / n_star - mean[:, None] * mean[None])


def only(data: Data, use: Float[np.ndarray, "star"]) -> Data:
    """Let some of the stars count, the others be inferred only; shapes stay."""
    both = jnp.asarray(data.use * use)
    return data._replace(use=both, precision=data.precision * both[:, None])
