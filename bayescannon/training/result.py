"""What joint training hands over: coefficients over all features, factors, and the label scale."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from bayescannon.training.latent import Layout, Moments, Parameters
from bayescannon.training.relation import Relation
from bayescannon.typing import Array, Coefficients, Factors, Pixels, StarLabels


class Round(NamedTuple):
    """What is reported of each round."""

    objective: float
    moved: list[float]
    error_scale: list[float]
    factors: int


class Group(NamedTuple):
    """How some stars' labels lead to factors; the pixels are those of all.

    Their coefficients are those of all plus factors @ offset, their factors are factors @ root.
    """

    offset: Float[Array, "factor feature"]
    root: Float[Array, "factor factor"]
    label_covariance: Float[Array, "label label"]
    error_scale: Float[Array, "label"]
    labels: StarLabels
    """Of all stars: those of the group by its own relation, the others as they were."""
    trust: StarLabels
    degrees: Float[Array, "label"]
    """These two as in `Relation`."""


class Joint(NamedTuple):
    """Result of joint training.

    `leverage` (feature, feature) and `label_covariance` (label, label) say how well the catalogue
    fixes the label scale: at labels l it is uncertain by v.leverage.v times `label_covariance`.
    `error_scale` (label,) is how many times larger the label errors are than was stated.
    """

    coefficients: Coefficients
    uncertainty: Float[Array, "pixel feature feature"]
    scatter: Pixels
    factors: Factors
    usable: np.ndarray
    leverage: Float[Array, "feature feature"]
    label_covariance: Float[Array, "label label"]
    error_scale: Float[Array, "label"]
    labels: StarLabels
    history: list[Round]
    converged: bool
    groups: tuple[Group, ...] = ()


def assemble(
    layout: Layout,
    p: Parameters,
    m: Moments,
    missed: Float[np.ndarray, "star label"],
    usable: Bool[np.ndarray, "pixel"],
    scale: Float[np.ndarray, "label"],
    history: list[Round],
    converged: bool,
) -> Joint:
    """Put the result together.

    Parameters
    ----------
    layout, p, m
        `m` of real stars only.
    missed : (star, label)
        Catalogue less inferred labels; NaN where the catalogue has none.
    usable, scale, history, converged
        Passed on.

    Returns
    -------
    Joint
    """
    k, n_star = layout.n_spectral, len(missed)
    expansion = np.asarray(layout.expansion(p.gamma))
    covariance = np.asarray(layout.unpack(p.uncertainty))
    # the undetermined directions are zero: a rotation collects the others
    axes, size, _ = np.linalg.svd(np.asarray(p.loadings[:, k:]), full_matrices=False)
    kept = history[-1].factors
    leverage = np.zeros((expansion.shape[1],) * 2)
    normal = np.asarray(jnp.sum(m.uu, axis=0))[:k, :k]
    leverage[np.ix_(layout.spectral, layout.spectral)] = np.linalg.inv(normal)
    leverage[0, 0] += kept / n_star
    return Joint(
        coefficients=np.where(usable[:, None], np.asarray(p.loadings) @ expansion, 0.0),
        uncertainty=expansion.T @ covariance @ expansion,
        scatter=np.where(usable, np.sqrt(np.asarray(p.scatter2)), 0.0),
        factors=np.where(usable[:, None], (axes * size[None])[:, :kept], 0.0),
        usable=usable,
        leverage=leverage,
        label_covariance=_left(layout, missed, np.asarray(m.covariance)),
        error_scale=scale,
        labels=np.asarray(m.labels),
        history=history,
        converged=converged,
    )


def in_terms_of(joint: Joint, layout: Layout, p: Parameters, relation: Relation) -> Group:
    """Say by what a group differs from all stars.

    Parameters
    ----------
    joint : Joint
        Of all stars.
    layout, p
        What it was assembled from.
    relation : Relation
        Of the group, on the same pixels.
    """
    k, kept = layout.n_spectral, joint.factors.shape[1]
    _, _, turn = np.linalg.svd(np.asarray(p.loadings[:, k:]), full_matrices=False)
    turn, back = turn[:kept], np.asarray(relation.back)
    offset = np.zeros((kept, joint.coefficients.shape[1]))
    offset[:, layout.spectral] = turn @ back[k:, :k]
    own = back[k:, k:] @ np.asarray(relation.gamma) - np.asarray(p.gamma)
    offset[:, layout.through] = turn @ own
    root = turn @ back[k:, k:]
    covariance = joint.label_covariance.copy()
    for i in layout.carried:
        covariance[i, i] = relation.carried_variance[i]
    return Group(
        offset=offset,
        root=np.linalg.cholesky(root @ root.T),
        label_covariance=covariance,
        error_scale=relation.error_scale,
        labels=relation.labels,
        trust=relation.trust,
        degrees=relation.degrees,
    )


def _left(layout: Layout, missed: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Covariance of what the fit of the label scale left over, (label, label)."""
    known = np.isfinite(missed)
    count = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, missed, 0.0)
    left = filled.T @ filled / np.sqrt(count[:, None] * count)
    for i in layout.carried:
        # the posterior of a carried label knew its catalogue value: its width is still to be added
        own = left[i, i] + covariance[:, i, i].mean()
        left[i], left[:, i] = 0.0, 0.0
        left[i, i] = own
    return left
