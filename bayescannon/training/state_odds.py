"""P(rc) from features of what spectra show: logistic regression, shrunk towards two Gaussians."""

import numpy as np
from jaxtyping import Bool
from scipy.special import expit

from bayescannon.labels import monomials
from bayescannon.training.regression import (
    ROUNDS,
    Shown,
    Solved,
    expected_features,
    own_variance,
)


def tell_states(shown: Shown, in_clump: Bool[np.ndarray, "star"], kind) -> Solved:
    """Logistic regression of the state by Newton's method; sizes as in `regress` (Laplace, EM).

    Coefficients are shrunk towards the log ratio of two Gaussians, which is quadratic and knows
    what to do where there are no stars. In expectation over the spectra's own errors the logistic
    of a Gaussian is that of its mean, made smaller (MacKay 1992, Neural Computation 4, 720).
    """
    v, slope = expected_features(shown)
    v, there = np.where(kind < 0, 0.0, v), np.flatnonzero(kind != -1)
    start = np.zeros(v.shape[1])
    start[there] = _gaussian_log_odds(shown, in_clump)[there]
    kind = np.where(kind < 0, 0, kind)
    w, size, shrink = start, np.ones(5), np.ones(len(v))
    for _ in range(ROUNDS):
        prior, u = 1.0 / size[kind], shrink[:, None] * v
        w, hessian = _logistic(u, in_clump, start, prior, w)
        second = (w - start) ** 2 + np.diagonal(np.linalg.inv(hessian))
        groups = [second[there][kind[there] == k] for k in range(5)]
        size = np.array([max(g.mean(), 1e-8) if g.size else 1.0 for g in groups])
        shrink = 1.0 / np.sqrt(1.0 + np.pi / 8 * own_variance(shown, slope, w))
    return Solved(w, np.linalg.cholesky(hessian), 0.0)


def _logistic(u, positive, start, prior, w) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of largest posterior and minus its Hessian; the prior is N(start, 1 / prior)."""

    def minus_log(w: np.ndarray) -> float:
        odds = u @ w
        return np.sum(np.logaddexp(0.0, odds) - positive * odds) + 0.5 * prior @ (w - start) ** 2

    for _ in range(20):
        p = expit(u @ w)
        hessian = (u * (p * (1 - p))[:, None]).T @ u + np.diag(prior)
        step = np.linalg.solve(hessian, u.T @ (positive - p) - prior * (w - start))
        while minus_log(w + step) > minus_log(w) and np.abs(step).max() > 1e-8:
            step = step / 2
        w = w + step
        if np.abs(step).max() < 1e-6:
            break
    return w, hessian


def _gaussian_log_odds(shown: Shown, in_clump) -> np.ndarray:
    """ln of the ratio of the states' Gaussian densities, times their numbers, (feature,)."""
    constant = linear = square = 0.0
    for of_state, sign in ((in_clump, 1.0), (~in_clump, -1.0)):
        x = shown.mean[of_state]
        precision, mean = np.linalg.inv(np.cov(x.T)), x.mean(axis=0)
        _, log_det = np.linalg.slogdet(precision)
        constant += sign * (np.log(len(x)) + 0.5 * log_det - 0.5 * mean @ precision @ mean)
        linear += sign * precision @ mean
        square -= sign * precision
    first, second = monomials(shown.mean.shape[1], 2).T - 1
    out = np.where(first == second, 0.5, 1.0) * square[first, second]
    out = np.where(first < 0, linear[second], out)
    return np.where(second < 0, constant, out)
