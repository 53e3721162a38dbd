"""Joint training: latent labels, residual factors, shrunk coefficients and scatter together.

Expectation-maximisation with three departures from the textbook, each for a reason that a world
with known truth showed (see docs/training.md):

- a star's direct labels are inferred from its spectrum without its own catalogue label and
  without its own pull on the coefficients; the catalogue enters through a regression of all;
- factors and label scale are put in standard form every round (`gauge`), not left to EM;
- a factor that cannot be told from a label error is dropped.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ..labels import n_features
from ..typing import Array, StarLabels, StarPixels
from .gauge import (
    MIN_INFORMATION,
    change_variables,
    factor_information,
    recalibrate,
    standardise,
)
from .latent import Cloud, Layout, Moments, Parameters, Population, infer_stars, moments
from .loadings import fit_loadings, learn_prior, pixel_blocks
from .result import Joint, Round, assemble
from .start import (
    calibrate_labels,
    label_error_directions,
    residual_factors,
    spectral_features,
)

STARS_PER_BLOCK = 256
MAX_ROUNDS = 15
TOLERANCE = 0.015
"""Converged when a round moves the labels by less than this, in posterior sd (rms)."""
START = 0.01**2
MIN_ERROR_SCALE = 0.05


class _Data(NamedTuple):
    """Stars padded to whole blocks, `use` is 0 for padding; `blocks` are the same, by pixels."""

    flux: StarPixels
    ivar: StarPixels
    observed: Array
    precision: Array
    use: Array
    blocks: list


def fit_joint(
    flux: StarPixels,
    ivar: StarPixels,
    observed: StarLabels,
    variance: StarLabels,
    degree: int,
    carried: tuple[int, ...] = (),
    most_factors: int = 20,
    report: Callable[[Round], None] | None = None,
) -> Joint:
    """Train on noisy labels.

    Parameters
    ----------
    flux, ivar : (star, pixel)
        Normalised flux and inverse variance; ivar 0 = not measured.
    observed, variance : (star, label)
        Scaled catalogue labels, NaN where missing, and the variance of their random errors.
    degree : int
        Degree of the features.
    carried : tuple of int
        Labels that speak only through the residual factors.
    most_factors : int
        Largest number of factors; how many are used is decided on held-out stars.
    report : callable, optional
        Called after each round.

    Returns
    -------
    Joint
    """
    n_star = len(flux)
    layout = Layout(observed.shape[1], degree, tuple(carried), 0)
    begun = calibrate_labels(layout, observed, variance)
    data = _padded(flux, ivar, observed, variance)
    usable = (
        np.asarray(ivar > 0).sum(axis=0) > n_features(observed.shape[1], degree) + most_factors + 1
    )
    layout, p = _start(layout, data, begun, usable, most_factors)
    own = jnp.zeros((len(data.use), layout.n_latent))
    labels = jnp.asarray(np.pad(begun.labels, ((0, len(data.use) - n_star), (0, 0))))
    scale2, prior, history = np.ones(observed.shape[1]), None, []
    converged = False
    while not converged and len(history) < MAX_ROUNDS:
        cloud = _infer_all(layout, p, data, own, labels, scale2)
        m = moments(layout, cloud, jnp.zeros_like(labels))
        first = not history
        shift = (
            jnp.zeros_like(labels)
            if first
            else recalibrate(layout, m, data.observed, data.precision)
        )
        m = moments(layout, cloud, shift)
        change, gamma = standardise(layout, m, data.use)
        m = _masked(change_variables(m, change), data.use)
        moved = _moved(m, labels, data.use)
        p = p._replace(gamma=gamma, population=_population(layout, m, n_star))
        p = fit_loadings(layout, p, data.blocks, m.u, m.uu, prior)
        p, n_factor = _without_undetermined(layout, p, data)
        prior = learn_prior(layout, p, jnp.asarray(usable, float))
        scale2 = scale2 if first else _error_scale(layout, m, data, n_star)
        own, labels = m.u, m.labels
        objective = float(jnp.sum(cloud.log_evidence * data.use) / n_star)
        history.append(Round(objective, moved.tolist(), np.sqrt(scale2).tolist(), n_factor))
        converged = bool(moved.max() < TOLERANCE) and not first
        if report is not None:
            report(history[-1])
    missed = np.asarray(data.observed - m.labels)
    missed = np.where(np.asarray(data.precision) > 0, missed, np.nan)[:n_star]
    m = Moments(*(a[:n_star] for a in m))
    return assemble(layout, p, m, missed, usable, np.sqrt(scale2), history, converged)


def _padded(flux, ivar, observed, variance) -> _Data:
    extra = -len(flux) % STARS_PER_BLOCK
    rows = ((0, extra), (0, 0))
    known = np.isfinite(observed)
    # an error of zero is no information on errors: a label is never better than 1e-3 of its scale
    precision = np.where(known, 1.0 / np.maximum(variance, 1e-6), 0.0)
    flux = np.pad(np.where(ivar > 0, flux, 0.0).astype(np.float32), rows)
    ivar = np.pad(np.asarray(ivar, np.float32), rows)
    use = np.pad(np.ones(len(observed)), (0, extra))
    return _Data(
        flux,
        ivar,
        jnp.asarray(np.pad(np.where(known, observed, 0.0), rows)),
        jnp.asarray(np.pad(precision, rows)),
        jnp.asarray(use),
        pixel_blocks(flux, ivar),
    )


def _start(layout: Layout, data: _Data, begun, usable, most: int) -> tuple[Layout, Parameters]:
    """Regression calibration without factors, then factors from the residuals."""
    n_star, n_pixel = len(begun.labels), len(usable)
    v = spectral_features(layout, begun.labels)
    v = jnp.pad(v, ((0, len(data.use) - n_star), (0, 0)))
    vv = v[:, :, None] * v[:, None, :]
    p = Parameters(
        loadings=jnp.zeros((n_pixel, layout.n_latent)),
        uncertainty=jnp.zeros((n_pixel, layout.pairs[0].size)),
        scatter2=jnp.full(n_pixel, START),
        gamma=jnp.zeros((0, len(layout.through))),
        population=begun.population,
    )
    p = fit_loadings(layout, p, data.blocks, v, vv, None, rounds=4)
    s2 = np.asarray(p.scatter2, np.float32)
    root = np.sqrt(data.ivar[:n_star] / (1 + data.ivar[:n_star] * s2)) * usable
    white = root * (data.flux[:n_star] - np.asarray(v[:n_star] @ p.loadings.T, np.float32))
    typical = np.sqrt(np.mean(root**2, axis=0))
    errors = label_error_directions(layout, begun.labels, begun.covariance, p.loadings)
    found = residual_factors(white, typical[:, None] * errors, most, seed=0)
    found /= np.maximum(typical, 1e-3 * typical.max())[:, None]
    layout = Layout(layout.n_label, layout.degree, layout.carried, found.shape[1])
    p = p._replace(
        loadings=jnp.concatenate([p.loadings, jnp.asarray(found, float)], axis=1),
        uncertainty=jnp.zeros((n_pixel, layout.pairs[0].size)),
        gamma=jnp.zeros((layout.n_factor, len(layout.through))),
    )
    return layout, p


def _infer_all(layout: Layout, p: Parameters, data: _Data, own, labels, scale2) -> Cloud:
    used = np.zeros(layout.n_label)
    used[list(layout.carried)] = 1.0
    precision = data.precision * jnp.asarray(used / scale2)[None]
    blocks = []
    for start in range(0, len(data.use), STARS_PER_BLOCK):
        rows = slice(start, start + STARS_PER_BLOCK)
        flux, ivar = (jnp.asarray(a[rows]) for a in (data.flux, data.ivar))
        stars = (data.observed[rows], precision[rows], own[rows], labels[rows])
        blocks.append(infer_stars(layout, p, flux, ivar, *stars))
    return Cloud(*(jnp.concatenate(parts) for parts in zip(*blocks, strict=True)))


def _masked(m: Moments, use: Array) -> Moments:
    return Moments(*(a * use.reshape(-1, *[1] * (a.ndim - 1)) for a in m))


def _moved(m: Moments, before: Array, use: Array) -> np.ndarray:
    """Change of the labels, rms over stars, in units of their posterior sd."""
    change = jnp.sum(use[:, None] * (m.labels - before) ** 2, axis=0)
    return np.asarray(jnp.sqrt(change / jnp.einsum("nii->i", m.covariance)))


def _population(layout: Layout, m: Moments, n_star: int) -> Population:
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


def _error_scale(layout: Layout, m: Moments, data: _Data, n_star: int) -> np.ndarray:
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


def _without_undetermined(layout: Layout, p: Parameters, data: _Data) -> tuple[Parameters, int]:
    """Set to zero the factors that spectra cannot tell from a change of labels."""
    ivar = jnp.asarray(data.ivar.sum(axis=0, dtype=float) / jnp.sum(data.use))
    weight = ivar / (1.0 + ivar * p.scatter2)
    information, axes = factor_information(layout, p.loadings, weight)
    keep = information > MIN_INFORMATION
    change = np.eye(layout.n_latent)
    change[layout.n_spectral :, layout.n_spectral :] = (axes * keep) @ axes.T
    change = jnp.asarray(change)
    row, column = layout.pairs
    covariance = jnp.einsum("ij,pjk,kl->pil", change, layout.unpack(p.uncertainty), change)
    p = p._replace(loadings=p.loadings @ change, uncertainty=covariance[:, row, column])
    return p, int(keep.sum())
