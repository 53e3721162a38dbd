"""What labels of some stars say of their factors, on pixels that all stars have trained.

Dredge-up and mass loss tie carbon and nitrogen to mass in another way on the giant branch than in
the clump: one quadratic cannot hold both. Pixels and factors are the same for both, so that direct
labels lose nothing; only z = Gamma w(l) + B v(l) + N(0, Sigma) is learned anew.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from ..typing import Array, StarLabels
from .gauge import change_variables, standardise
from .latent import Layout, Moments, Parameters, Sums, moments
from .stars import Data, infer_all, masked, moved_by, population_of, take

MOST_ROUNDS = 40
TOLERANCE = 0.003
PRIOR_LN_SCALE = 0.15
"""Stated errors of a carried label are believed to so much (sd of ln scale): where they are alike
for all stars, nothing else tells them from what the spectra leave open."""
SCALES = np.exp(np.linspace(np.log(0.2), np.log(3.0), 136))
OPEN = np.concatenate([[0.0], np.exp(np.linspace(np.log(0.02), np.log(8.0), 100))])


class Relation(NamedTuple):
    """In coordinates u' in which a group's factors are Gamma w + N(0, 1); u = back @ u'."""

    back: Float[Array, "latent latent"]
    gamma: Float[Array, "factor through"]
    error_scale: Float[np.ndarray, "label"]
    carried_variance: Float[np.ndarray, "label"]
    """Of what the relation leaves of the catalogue's carried labels, in units of the leverage of
    all stars; 0 for direct labels."""
    labels: StarLabels


def fit_relation(
    layout: Layout,
    p: Parameters,
    data: Data,
    sums: Sums,
    labels: StarLabels,
    scale2: Float[np.ndarray, "label"],
    use: Bool[np.ndarray, "real_star"],
) -> Relation:
    """Fit the relation of a group of stars.

    Parameters
    ----------
    layout, p, data, sums
        Of all stars, trained.
    labels, scale2
        Labels of all stars, padding included, and squared error scales, in the last round.
    use : (real_star,)
        Which stars are of the group; of the others here some are padding.

    Returns
    -------
    Relation
    """
    rows = np.flatnonzero(use)
    part, sums, here = take(data, sums, labels, rows)
    back = jnp.eye(layout.n_latent)
    for _ in range(MOST_ROUNDS):
        cloud = infer_all(layout, p, part, sums.in_terms_of(back), here, scale2)
        m = moments(layout, cloud, jnp.zeros_like(here))
        scale2 = carried_error_scale(layout, m, part, scale2, len(rows))
        change, gamma = standardise(layout, m, part.use)
        m = masked(change_variables(m, change), part.use)
        moved = moved_by(m, here, part.use)
        p = p._replace(gamma=gamma, population=population_of(layout, m, len(rows)))
        here, back = m.labels, back @ jnp.linalg.inv(change)
        if moved.max() < TOLERANCE:
            break
    known = (part.precision > 0).astype(float)
    missed = known * (part.observed - here)
    spread = jnp.sum(missed**2, axis=0) / jnp.maximum(jnp.sum(known, axis=0), 1.0)
    spread += jnp.einsum("nii->i", m.covariance) / len(rows)
    # the leverage is that of all stars; the relation has only these
    spread *= float(jnp.sum(data.use)) / len(rows)
    labels = np.array(labels)[: int(jnp.sum(data.use))]
    labels[rows] = here[: len(rows)]
    carried = np.isin(np.arange(layout.n_label), layout.carried)
    return Relation(
        back, gamma, np.sqrt(scale2), np.where(carried, np.asarray(spread), 0.0), labels
    )


def carried_error_scale(
    layout: Layout, m: Moments, data: Data, scale2: np.ndarray, n_star: int
) -> np.ndarray:
    """Squared error scales, (label,), with those of carried labels found anew.

    A catalogue value misses what the spectrum alone says by N(0, a s^2 + (f x stated)^2), where s
    is the spectrum's own error in this round and a is free: what is open must not be taken for
    either. f is the posterior mean of ln f.
    """
    out = np.array(scale2)
    for i in layout.carried:
        known = np.asarray(data.precision[:n_star, i]) > 0
        stated = 1.0 / np.asarray(data.precision[:n_star, i])[known]
        both = np.asarray(m.covariance[:n_star, i, i])[known]
        left = np.asarray(data.observed[:n_star, i] - m.labels[:n_star, i])[known]
        # the posterior knew the catalogue value: taken out again
        share = np.clip(1.0 - both / (stated * scale2[i]), 1e-3, 1.0)
        missed, own = left / share, both / share
        out[i] = error_scale_of(missed**2, own, stated) ** 2
    return out


def error_scale_of(missed2: np.ndarray, own: np.ndarray, stated: np.ndarray) -> float:
    """Posterior mean of f, all arrays (star,): squared misses, own and stated variances."""
    log_posterior = np.empty((len(SCALES), len(OPEN)))
    for i, f in enumerate(SCALES):
        total = OPEN[:, None] * own + f**2 * stated
        log_posterior[i] = -0.5 * np.sum(np.log(total) + missed2 / total, axis=1)
    log_posterior -= 0.5 * (np.log(SCALES) / PRIOR_LN_SCALE)[:, None] ** 2
    weight = np.exp(log_posterior - log_posterior.max()) * np.gradient(OPEN)
    return float(np.exp(np.sum(weight * np.log(SCALES)[:, None]) / np.sum(weight)))
