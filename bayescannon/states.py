"""The evolutionary state of a giant: its names, P(rc) from labels, what a model knows of each.

P(rc) is a logistic regression on the quadratic features of its inputs, fitted in one place for all
who use it: ages (inputs teff, logg, feh, afe), models that tell states apart (the labels that
spectra show themselves) and models of channels (all channels).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

import bayescannon.precision  # noqa: F401
from bayescannon.labels import features
from bayescannon.typing import Array, Stars

STATES = ("rgb", "rc")
ROUNDS = 50
CLIP = 4.0
"""Largest scaled input [sd] that a classifier without a `reach` extrapolates to."""


class Reach(NamedTuple):
    """How far the training stars of a classifier reach, and what counts beyond."""

    whiten: Float[Array, "input input"]
    """Scaled inputs times this are uncorrelated with unit variance in the training set."""
    distance: Float[Array, ""]
    """Largest Mahalanobis distance of a training star."""
    base_rate: Float[Array, ""]
    """Share of clump stars in the training set."""


class StateClassifier(NamedTuple):
    """P(rc) = 1 / (1 + exp(-v(scaled inputs) . log_odds)), inside the training set.

    A quadratic would be sure of anything far outside. With a `reach` the base rate holds there;
    without, inputs are clipped at 4 sd.
    """

    pivot: Float[Array, "input"]
    scale: Float[Array, "input"]
    log_odds: Float[Array, "feature"]
    reach: Reach | None = None


@jax.jit
def p_clump(classifier: StateClassifier, inputs: Float[Array, "star input"]) -> Stars:
    """P(rc) at given inputs (star, input), (star,); see `StateClassifier` for far ones."""
    c = classifier
    scaled = (inputs - c.pivot[None]) / c.scale[None]
    if c.reach is None:
        scaled = jnp.clip(jnp.nan_to_num(scaled), -CLIP, CLIP)
        return jax.nn.sigmoid(features(scaled) @ c.log_odds)
    p = jax.nn.sigmoid(features(scaled) @ c.log_odds)
    distance = jnp.linalg.norm(scaled @ c.reach.whiten, axis=1)
    return jnp.where(distance <= c.reach.distance, p, c.reach.base_rate)


def fit_states(
    inputs: Float[Array, "star input"], rc: Bool[np.ndarray, "star"], ridge: float
) -> StateClassifier:
    """Fit P(rc) to stars of known state.

    Parameters
    ----------
    inputs : (star, input)
        In any units.
    rc : (star,)
        Whether the star is in the red clump.
    ridge : float
        Precision of a Gaussian prior on every coefficient.

    Returns
    -------
    StateClassifier
        With the `reach` of these stars.
    """
    inputs = np.asarray(inputs)
    pivot, scale = inputs.mean(axis=0), inputs.std(axis=0)
    scaled = (inputs - pivot) / scale
    whiten = np.linalg.inv(np.linalg.cholesky(np.cov(scaled.T))).T
    reach = np.linalg.norm(scaled @ whiten, axis=1).max()
    log_odds = fit_logistic(features(jnp.asarray(scaled)), rc, ridge)
    parts = StateClassifier(pivot, scale, log_odds, Reach(whiten, reach, rc.mean()))
    return jax.tree.map(jnp.asarray, parts)


def fit_logistic(
    v: Float[Array, "star feature"], positive: Bool[np.ndarray, "star"], ridge: float = 1.0
) -> Float[np.ndarray, "feature"]:
    """Fit log odds that are linear in the features, by Newton's method.

    Parameters
    ----------
    v : (star, feature)
    positive : (star,)
    ridge : float
        Precision of a Gaussian prior on every coefficient; keeps separable classes finite.

    Returns
    -------
    (feature,) coefficients: P(positive) = 1 / (1 + exp(-v @ coefficients)).
    """
    v, weights = np.asarray(v), np.zeros(v.shape[1])
    for _ in range(ROUNDS):
        p = 1.0 / (1.0 + np.exp(-v @ weights))
        gradient = v.T @ (positive - p) - ridge * weights
        hessian = (v * (p * (1 - p))[:, None]).T @ v + ridge * np.eye(v.shape[1])
        step = np.linalg.solve(hessian, gradient)
        weights = weights + step
        if np.abs(step).max() < 1e-10:
            break
    return weights


class Relation(NamedTuple):
    """Draws of the relation of an indirect label to what spectra show (`training.relation`).

    The first axis of most parts is the state: one, or `STATES`.

    `turn` takes the directions out of the factors. `coefficients` and `scatter` are g and tau: the
    root of its mean square, for it is one number for all stars. `plain` and `plain_scatter` are
    the same if only the direct labels `given` (positions) are known, none of which holds carbon or
    nitrogen: the population of the label, which is divided out where another prior belongs.
    `log_odds` are of the clump; no feature where no state was told. `response` is what the factors
    are expected to be at all labels, the indirect one included.
    """

    turn: Float[Array, "factor direction"]
    coefficients: Float[Array, "state draw feature"]
    scatter: Float[Array, "state"]
    given: Int[np.ndarray, "given"]
    plain: Float[Array, "state plain_feature"]
    plain_scatter: Float[Array, "state"]
    log_odds: Float[Array, "draw feature"]
    response: Float[Array, "factor all_feature"]

    def arrays(self) -> dict[str, np.ndarray]:
        """All parts, by names that `of_arrays` knows."""
        return {f"relation_{name}": np.asarray(part) for name, part in self._asdict().items()}

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> "Relation | None":
        """Read what `arrays` gave; None where there is nothing of it."""
        if "relation_turn" not in arrays:
            return None
        return cls(*(arrays[f"relation_{name}"] for name in cls._fields))
