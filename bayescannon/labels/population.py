"""The density of labels in the training set: a small Gaussian mixture, label noise taken out.

It serves as the `population` prior, and as the yardstick of how far a star is from the training
set. Expectation-maximisation with noise per star is extreme deconvolution (Bovy et al. 2011).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import logsumexp
from jaxtyping import Float

import bayescannon.precision  # noqa: F401
from bayescannon.labels.features import feature_rows, features
from bayescannon.typing import Array, StarLabels, Stars

MOST_COMPONENTS = 6
STARS_PER_COMPONENT = 200
"""More components than that follow the noise of the labels: posteriors would be too narrow."""
ROUNDS = 60
FLOOR = 0.05**2
"""Smallest variance of a component, in units of the training set's own."""


class Mixture(NamedTuple):
    """Gaussian mixture over scaled labels l or, with `bend`, over y = l - bend @ v(l).

    Rows of `bend` that are not zero belong to labels whose mean is quadratic in the others; they
    look at these only, so that l = y + bend @ v(y) and densities of l and y are the same.
    """

    weight: Float[Array, "component"]
    mean: Float[Array, "component label"]
    covariance: Float[Array, "component label label"]
    bend: Float[Array, "label feature"] | None = None

    def log_prob(self, scaled: Float[Array, "label"]) -> Float[Array, ""]:
        """Log density at one vector of scaled labels."""
        even = straightened(scaled, self.bend)
        return logsumexp(jnp.log(self.weight) + _log_normal(even[None], self.mean, self.covariance))

    def distance(self, scaled: Float[Array, "label"]) -> Float[Array, ""]:
        """Mahalanobis distance to the nearest component."""
        offset = straightened(scaled, self.bend)[None] - self.mean
        solved = jnp.linalg.solve(self.covariance, offset[..., None])[..., 0]
        return jnp.sqrt(jnp.min(jnp.sum(offset * solved, axis=-1)))

    def with_tail(self, share: float, width: float) -> "Mixture":
        """Give a share of the weight to one Gaussian, `width` times as wide as the whole."""
        mean = self.weight @ self.mean
        away = self.mean - mean[None]
        between = jnp.einsum("c,ci,cj->ij", self.weight, away, away)
        whole = between + jnp.einsum("c,cij->ij", self.weight, self.covariance)
        return Mixture(
            jnp.append((1 - share) * jnp.asarray(self.weight), share),
            jnp.concatenate([self.mean, mean[None]]),
            jnp.concatenate([self.covariance, width**2 * whole[None]]),
            self.bend,
        )

    def less(self, covariance: Float[Array, "label label"]) -> "Mixture":
        """Take a covariance out of every component, of which a tenth at least is kept."""
        root = np.linalg.cholesky(np.asarray(self.covariance))
        half = np.linalg.solve(root, np.broadcast_to(np.asarray(covariance), root.shape))
        share, axes = np.linalg.eigh(np.linalg.solve(root, np.swapaxes(half, 1, 2)))
        left = root @ (axes * np.sqrt(np.maximum(1.0 - share, 0.1))[:, None])
        return self._replace(covariance=jnp.asarray(left @ np.swapaxes(left, 1, 2)))

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """All parts by name, as `of_arrays` takes them."""
        parts = self._asdict().items()
        return {f"{prefix}_{name}": np.asarray(part) for name, part in parts if part is not None}

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray], prefix: str) -> "Mixture | None":
        """Read what `arrays` gave; None where there is nothing of it."""
        if f"{prefix}_weight" not in arrays:
            return None
        weight, mean, covariance = (arrays[f"{prefix}_{name}"] for name in cls._fields[:3])
        return cls(weight, mean, covariance, arrays.get(f"{prefix}_bend"))

    def labels_of(self, even: Float[np.ndarray, "star label"]) -> Float[np.ndarray, "star label"]:
        """Scaled labels of coordinates y, such as `mean`."""
        if self.bend is None:
            return np.asarray(even)
        return np.asarray(even + features(jnp.asarray(even)) @ jnp.asarray(self.bend).T)


def straightened(
    scaled: Float[Array, "label *batch"], bend: Float[Array, "label feature"] | None
) -> Float[Array, "label *batch"]:
    """Coordinates y of scaled labels."""
    if bend is None:
        return scaled
    v = feature_rows(scaled)
    turned = jnp.asarray(bend, scaled.dtype) @ v.reshape(len(v), -1)
    return scaled - turned.reshape(scaled.shape)


def fit_population(scaled: StarLabels, variance: StarLabels) -> Mixture:
    """Fit the mixture to noisy labels.

    Parameters
    ----------
    scaled : (star, label)
        Scaled training labels, all finite.
    variance : (star, label)
        Variance of their errors, scaled likewise; 0 where not known.

    Returns
    -------
    Mixture
        Density of the true labels: up to six components, the heaviest first.
    """
    n_star, n_label = scaled.shape
    # components start spread along the direction of largest variance: no random numbers needed
    order = np.argsort(np.asarray(scaled) @ _first_axis(np.asarray(scaled)))
    n_component = int(np.clip(n_star // STARS_PER_COMPONENT, 1, MOST_COMPONENTS))
    groups = np.array_split(order, n_component)
    start = Mixture(
        weight=jnp.full(n_component, 1.0 / n_component),
        mean=jnp.stack([jnp.mean(scaled[g], axis=0) for g in groups]),
        covariance=jnp.stack([jnp.cov(jnp.asarray(scaled).T) for _ in groups]).reshape(
            n_component, n_label, n_label
        ),
    )
    # pad with weightless stars, so that folds of nearly equal size share one compiled program
    pad = -n_star % 256
    use = jnp.pad(jnp.ones(n_star), (0, pad))
    rows = ((0, pad), (0, 0))
    found = _maximise(jnp.pad(scaled, rows), jnp.pad(variance, rows), use, start)
    heaviest = np.argsort(-np.asarray(found.weight), kind="stable")
    return Mixture(*(part[heaviest] for part in found[:3]))


def fit_bent_population(
    scaled: StarLabels, variance: StarLabels, bent: tuple[int, ...], known: StarLabels
) -> Mixture:
    """Fit the mixture to what is left of some labels once their mean is taken out.

    Parameters
    ----------
    scaled, variance
        As for `fit_population`.
    bent : tuple of int
        Labels whose mean is quadratic in the others.
    known : (star, label)
        Scaled labels at which that mean is looked up: better known than `scaled`, if possible.
    """
    v = features(jnp.asarray(known).at[:, np.array(bent)].set(0.0))
    v, scaled, variance = (np.array(a) for a in (v, scaled, variance))
    bend = np.zeros((scaled.shape[1], v.shape[1]))
    for label in bent:
        weight = np.ones(len(v))
        for _ in range(2):
            root = np.sqrt(weight)
            fit = np.linalg.lstsq(root[:, None] * v, root * scaled[:, label], rcond=None)[0]
            missed = (scaled[:, label] - v @ fit) ** 2
            left = max(np.mean(missed - variance[:, label]), 0.1 * np.mean(missed))
            weight = 1.0 / (variance[:, label] + left)
        bend[label] = fit
        scaled[:, label] -= v @ fit
    return fit_population(jnp.asarray(scaled), jnp.asarray(variance))._replace(bend=bend)


@jax.jit
def _maximise(scaled: StarLabels, variance: StarLabels, use: Stars, start: Mixture) -> Mixture:
    step = partial(_em_step, scaled, variance, use)
    return lax.fori_loop(0, ROUNDS, lambda _, mixture: step(mixture), start)


def _em_step(scaled: StarLabels, variance: StarLabels, use: Stars, mixture: Mixture) -> Mixture:
    noise = jax.vmap(jnp.diag)(variance)
    total = mixture.covariance[None] + noise[:, None]  # (star, component, label, label)
    log_density = jax.vmap(_log_normal, (0, None, 0))(scaled[:, None], mixture.mean, total)
    log_joint = jnp.log(mixture.weight)[None] + log_density
    share = use[:, None] * jax.nn.softmax(log_joint, axis=1)
    offset = scaled[:, None] - mixture.mean[None]
    gain = jnp.swapaxes(jnp.linalg.solve(total, mixture.covariance[None]), -1, -2)
    posterior_mean = mixture.mean[None] + jnp.einsum("scij,scj->sci", gain, offset)
    spread = mixture.covariance[None] - gain @ mixture.covariance[None]
    count = jnp.sum(share, axis=0)
    mean = jnp.einsum("sc,sci->ci", share, posterior_mean) / count[:, None]
    away = posterior_mean - mean[None]
    second = jnp.einsum("sc,sci,scj->cij", share, away, away)
    second = (second + jnp.einsum("sc,scij->cij", share, spread)) / count[:, None, None]
    second = 0.5 * (second + jnp.swapaxes(second, -1, -2))
    return Mixture(count / jnp.sum(count), mean, second + FLOOR * jnp.eye(scaled.shape[1])[None])


def _log_normal(x: Array, mean: Array, covariance: Array) -> Array:
    factor = jnp.linalg.cholesky(covariance)
    offset = jnp.broadcast_to(x - mean, mean.shape)
    white = lax.linalg.triangular_solve(factor, offset[..., None], left_side=True, lower=True)
    half_log_det = jnp.sum(jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)), axis=-1)
    n_label = mean.shape[-1]
    return (
        -0.5 * jnp.sum(white[..., 0] ** 2, axis=-1)
        - half_log_det
        - 0.5 * n_label * jnp.log(2 * jnp.pi)
    )


def _first_axis(scaled: np.ndarray) -> np.ndarray:
    _, _, axes = np.linalg.svd(scaled - scaled.mean(axis=0), full_matrices=False)
    return axes[0] * np.sign(axes[0][np.argmax(np.abs(axes[0]))])
