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
MIN_ERROR_SCALE = 0.05
PRIOR_LN_SCALE = 0.15
"""Stated errors are believed to so much (sd of ln scale)."""
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


def carried_precision(layout: Layout, data: Data, scale2) -> np.ndarray:
    """Inverse variance of carried labels as the catalogue has them, (star, label, label)."""
    out = np.zeros((*data.precision.shape, layout.n_label))
    for i in layout.carried:
        out[:, i, i] = np.asarray(data.precision)[:, i] / scale2[i]
    return out


def catalogue_precision(
    layout: Layout,
    data: Data,
    missed: Float[np.ndarray, "star label"],
    own: Float[np.ndarray, "star label label"],
    leverage: Float[np.ndarray, "star"],
) -> Float[np.ndarray, "star label label"]:
    """What a catalogue's direct labels are worth beside those that the spectrum shows.

    (catalogue - inferred) has the variance of the catalogue's errors, of what the model gets
    wrong, and of the spectrum's own noise. The first two lie between the labels of the catalogue
    and those that the spectrum shows, and only their sum matters here.

    Parameters
    ----------
    layout, data
    missed : (star, label)
        Catalogue less inferred labels, each star left out of what inferred it.
    own : (star, label, label)
        Covariance of the inferred labels, from the spectrum alone.
    leverage : (star,)
        Of each star in a regression on the features.

    Returns
    -------
    (star, label, label)
        Inverse of that sum for each star, never less than half its stated variance; 0 for carried
        labels, and where the catalogue has none.
    """
    direct = layout.direct
    known = np.asarray(data.precision)[:, direct] > 0
    counts = np.where(known, 1.0, 0.0)
    stated = 1.0 / np.where(known, np.asarray(data.precision)[:, direct], 1.0)
    both = np.maximum(counts.T @ counts, 1.0)
    typical = np.sqrt((counts * stated).sum(axis=0) / np.diagonal(both))
    off = counts * missed[:, direct] / typical
    inner = own[:, direct][:, :, direct] / np.outer(typical, typical)
    total = np.einsum("n,ni,nj->ij", 1.0 - leverage, off, off)
    total -= np.einsum("ni,nj,nij->ij", counts, counts, inner)
    size = np.where(known, np.sqrt(stated) / typical, 1.0)
    of_star = total / both - np.eye(len(direct)) + size[:, :, None] ** 2 * np.eye(len(direct))
    values, axes = np.linalg.eigh(of_star / size[:, :, None] / size[:, None])
    inverse = np.einsum("nik,nk,njk->nij", axes, 1.0 / np.maximum(values, LEAST_SHARE), axes)
    scale = np.where(known, size * typical, np.inf)
    inverse /= scale[:, :, None] * scale[:, None]
    out = np.zeros((len(known), layout.n_label, layout.n_label))
    out[np.ix_(np.arange(len(known)), direct, direct)] = inverse
    return out


def masked(m: Moments, use: Array) -> Moments:
    """Set the moments of padding to zero."""
    return Moments(*(a * use.reshape(-1, *[1] * (a.ndim - 1)) for a in m))


def moved_by(m: Moments, before: Array, use: Array) -> np.ndarray:
    """Change of the labels, rms over stars, in units of their posterior sd."""
    change = jnp.sum(use[:, None] * (m.labels - before) ** 2, axis=0)
    return np.asarray(jnp.sqrt(change / jnp.einsum("nii->i", m.covariance)))


def population_of(layout: Layout, m: Moments, n_star: int) -> Population:
    """Mean and covariance of direct labels, and what is left of carried ones given them."""
    k, direct = layout.n_spectral, layout.direct
    mean = jnp.sum(m.labels[:, direct], axis=0) / n_star
    second = (
        m.covariance[:, direct][:, :, direct]
        + m.labels[:, direct, None] * (m.labels[:, None, direct])
    )
    covariance = jnp.sum(second, axis=0) / n_star - mean[:, None] * mean[None]
    across = jnp.sum(m.uw, axis=0)[:k, layout.carried_linear]
    square = jnp.einsum("nii->i", m.ww)[layout.carried_linear]
    slope = jnp.linalg.solve(jnp.sum(m.uu, axis=0)[:k, :k], across).T
    variance = (square - jnp.sum(slope * across.T, axis=1)) / n_star
    return Population(mean, covariance, slope, variance)


def carried_error_scale(layout: Layout, m: Moments, data: Data, scale2) -> np.ndarray:
    """Mean square of (catalogue - truth) of carried labels, in units of what was stated, (label,).

    They are inferred with the catalogue value, so the posterior variance is added: one step of EM,
    under a prior that believes the stated errors to `PRIOR_LN_SCALE`.
    """
    known = np.asarray(jnp.sum((data.precision > 0).astype(float), axis=0))
    squared = (data.observed - m.labels) ** 2 + jnp.einsum("nii->ni", m.covariance)
    found = np.asarray(jnp.sum(data.precision * squared, axis=0)) / np.maximum(known, 1.0)
    out = np.array(scale2)
    for i in layout.carried:
        if known[i] > 0:
            out[i] = max(_with_prior(found[i], known[i]), MIN_ERROR_SCALE**2)
    return out


def _with_prior(found: float, count: float) -> float:
    """Most probable f^2 after `count` errors of mean square `found`, by Newton's method in ln f."""
    x = 0.5 * np.log(max(found, MIN_ERROR_SCALE**2))
    for _ in range(20):
        pull = found * np.exp(-2 * x)
        slope = count * (pull - 1.0) - x / PRIOR_LN_SCALE**2
        x += slope / (2 * count * pull + PRIOR_LN_SCALE**-2)
    return float(np.exp(2 * x))


def only(data: Data, use: Float[np.ndarray, "star"]) -> Data:
    """Let some of the stars count, the others be inferred only; shapes stay."""
    both = jnp.asarray(data.use * use)
    return data._replace(use=both, precision=data.precision * both[:, None])


def take(data: Data, sums: Sums, labels: Array, rows: np.ndarray) -> tuple[Data, Sums, Array]:
    """Some of the stars, padded anew, without their pixels."""
    extra = -len(rows) % STARS_PER_BLOCK

    def pick(array):
        return jnp.pad(jnp.asarray(array[rows]), ((0, extra), *[(0, 0)] * (array.ndim - 1)))

    none = np.zeros((len(rows) + extra, 0), np.float32)
    known = (pick(a) for a in (data.observed, data.precision, data.use))
    return Data(none, none, *known, []), Sums(*map(pick, sums)), pick(labels)
