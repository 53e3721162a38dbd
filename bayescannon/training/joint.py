"""Joint training: latent labels, residual factors, shrunk coefficients and scatter together.

Expectation-maximisation with three departures from the textbook, each for a reason that stars
of known truth showed (see docs/explanation/training.md):

- a star's direct labels are inferred from its spectrum without its own catalogue label and
  without its own pull on the coefficients; the catalogue enters through a regression of all;
- factors and label scale are put in standard form every round (`gauge`), not left to EM;
- a factor that cannot be told from a label error is dropped.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from bayescannon.labels import n_features
from bayescannon.training.gauge import (
    MIN_INFORMATION,
    change_variables,
    factor_information,
    recalibrate,
    standardise,
)
from bayescannon.training.latent import Layout, Moments, Parameters, moments
from bayescannon.training.loadings import fit_loadings, learn_prior
from bayescannon.training.relation import fit_relation
from bayescannon.training.result import Joint, Round, assemble, in_terms_of
from bayescannon.training.stars import (
    Data,
    error_scale,
    infer_all,
    masked,
    moved_by,
    padded,
    population_of,
    sum_all,
)
from bayescannon.training.start import (
    calibrate_labels,
    label_error_directions,
    residual_factors,
    spectral_features,
)
from bayescannon.typing import StarLabels, StarPixels

MAX_ROUNDS = 15
TOLERANCE = 0.015
"""Converged when a round moves the labels by less than this, in posterior sd (rms)."""
START = 0.01**2


def fit_joint(
    flux: StarPixels,
    ivar: StarPixels,
    observed: StarLabels,
    variance: StarLabels,
    degree: int,
    carried: tuple[int, ...] = (),
    most_factors: int = 20,
    report: Callable[[Round], None] | None = None,
    groups: Sequence[Bool[np.ndarray, "star"]] = (),
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
    groups : sequence of (star,)
        Stars that have a relation of their own between labels and factors, on the same pixels.

    Returns
    -------
    Joint
    """
    n_star = len(flux)
    layout = Layout(observed.shape[1], degree, tuple(carried), 0)
    begun = calibrate_labels(layout, observed, variance)
    data = padded(flux, ivar, observed, variance)
    usable = (
        np.asarray(ivar > 0).sum(axis=0) > n_features(observed.shape[1], degree) + most_factors + 1
    )
    layout, p = _start(layout, data, begun, usable, most_factors)
    own = jnp.zeros((len(data.use), layout.n_latent))
    labels = jnp.asarray(np.pad(begun.labels, ((0, len(data.use) - n_star), (0, 0))))
    scale2, prior, history = np.ones(observed.shape[1]), None, []
    converged = False
    while not converged and len(history) < MAX_ROUNDS:
        sums = sum_all(layout, p, data, own)
        cloud = infer_all(layout, p, data, sums, labels, scale2)
        m = moments(layout, cloud, jnp.zeros_like(labels))
        first = not history
        shift = (
            jnp.zeros_like(labels)
            if first
            else recalibrate(layout, m, data.observed, data.precision)
        )
        m = moments(layout, cloud, shift)
        change, gamma = standardise(layout, m, data.use)
        m = masked(change_variables(m, change), data.use)
        moved = moved_by(m, labels, data.use)
        p = p._replace(gamma=gamma, population=population_of(layout, m, n_star))
        p = fit_loadings(layout, p, data.blocks, m.u, m.uu, prior)
        p, n_factor = _without_undetermined(layout, p, data)
        prior = learn_prior(layout, p, jnp.asarray(usable, float))
        scale2 = scale2 if first else error_scale(layout, m, data, n_star)
        own, labels = m.u, m.labels
        objective = float(jnp.sum(cloud.log_evidence * data.use) / n_star)
        history.append(Round(objective, moved.tolist(), np.sqrt(scale2).tolist(), n_factor))
        converged = bool(moved.max() < TOLERANCE) and not first
        if report is not None:
            report(history[-1])
    missed = np.asarray(data.observed - m.labels)
    missed = np.where(np.asarray(data.precision) > 0, missed, np.nan)[:n_star]
    stars = Moments(*(a[:n_star] for a in m))
    joint = assemble(layout, p, stars, missed, usable, np.sqrt(scale2), history, converged)
    if not groups:
        return joint
    sums = sum_all(layout, p, data, own)
    relations = [fit_relation(layout, p, data, sums, labels, scale2, use) for use in groups]
    return joint._replace(groups=tuple(in_terms_of(joint, layout, p, r) for r in relations))


def _start(layout: Layout, data: Data, begun, usable, most: int) -> tuple[Layout, Parameters]:
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


def _without_undetermined(layout: Layout, p: Parameters, data: Data) -> tuple[Parameters, int]:
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
