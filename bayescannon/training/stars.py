"""All training stars together: padded to blocks, inferred, summed up as a population."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from bayescannon.training.latent import (
    Cloud,
    Layout,
    Moments,
    Parameters,
    Population,
    Sums,
    infer_stars,
    sum_pixels,
)
from bayescannon.training.loadings import pixel_blocks
from bayescannon.typing import Array, StarPixels

STARS_PER_BLOCK = 256
MIN_ERROR_SCALE = 0.05


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


def sum_all(layout: Layout, p: Parameters, data: Data, own) -> Sums:
    """Sum up the spectra of all stars, block by block; arguments as for `sum_pixels`."""
    blocks = []
    for start in range(0, len(data.use), STARS_PER_BLOCK):
        rows = slice(start, start + STARS_PER_BLOCK)
        flux, ivar = (jnp.asarray(a[rows]) for a in (data.flux, data.ivar))
        blocks.append(sum_pixels(layout, p, flux, ivar, own[rows]))
    return Sums(*(jnp.concatenate(parts) for parts in zip(*blocks, strict=True)))


def infer_all(layout: Layout, p: Parameters, data: Data, sums: Sums, labels, scale2) -> Cloud:
    """Do the E-step for all stars, block by block; arguments as for `infer_stars`."""
    used = np.zeros(layout.n_label)
    used[list(layout.carried)] = 1.0
    precision = data.precision * jnp.asarray(used / scale2)[None]
    blocks = []
    for start in range(0, len(data.use), STARS_PER_BLOCK):
        rows = slice(start, start + STARS_PER_BLOCK)
        stars = (data.observed[rows], precision[rows], labels[rows])
        blocks.append(infer_stars(layout, p, Sums(*(a[rows] for a in sums)), *stars))
    return Cloud(*(jnp.concatenate(parts) for parts in zip(*blocks, strict=True)))


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


def error_scale(layout: Layout, m: Moments, data: Data, n_star: int) -> np.ndarray:
    """Mean square of (catalogue - truth), in units of what was stated, (label,).

    For direct labels the spectrum did not know the catalogue: its own variance is taken off, and
    what the fit of the label scale used up is given back. Carried labels are inferred with the
    catalogue value, so the posterior variance is added (EM).
    """
    weight = data.precision  # 0 for padding
    known = jnp.sum((weight > 0).astype(float), axis=0)
    squared = (data.observed - m.labels) ** 2
    variance = jnp.einsum("nii->ni", m.covariance)
    carried = np.isin(np.arange(layout.n_label), layout.carried)
    sign = jnp.asarray(np.where(carried, 1.0, -1.0))
    scale2 = jnp.sum(weight * (squared + sign[None] * variance), axis=0) / jnp.maximum(known, 1)
    freedom = np.where(carried, 1.0, n_star / (n_star - layout.n_latent))
    # a label that no star has keeps the errors that were stated
    scale2 = np.where(np.asarray(known) > 0, np.asarray(scale2) * freedom, 1.0)
    return np.maximum(scale2, MIN_ERROR_SCALE**2)


def take(data: Data, sums: Sums, labels: Array, rows: np.ndarray) -> tuple[Data, Sums, Array]:
    """Some of the stars, padded anew, without their pixels."""
    extra = -len(rows) % STARS_PER_BLOCK

    def pick(array):
        return jnp.pad(jnp.asarray(array[rows]), ((0, extra), *[(0, 0)] * (array.ndim - 1)))

    none = np.zeros((len(rows) + extra, 0), np.float32)
    known = (pick(a) for a in (data.observed, data.precision, data.use))
    return Data(none, none, *known, []), Sums(*map(pick, sums)), pick(labels)
