"""Logistic regression, for the evolutionary state of a giant."""

import numpy as np
from jaxtyping import Bool, Float

from bayescannon.typing import Array

ROUNDS = 50


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
