"""A Gaussian mixture over scaled labels: its parts, and its density."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Float

import bayescannon.precision  # noqa: F401
from bayescannon.typing import Array


class Mixture(NamedTuple):
    """Gaussian mixture over scaled labels."""

    weight: Float[Array, "component"]
    mean: Float[Array, "component label"]
    covariance: Float[Array, "component label label"]

    def log_prob(self, scaled: Float[Array, "label *batch"]) -> Float[Array, "*batch"]:
        """Log density at scaled labels; `WhiteMixture` gives it faster again and again."""
        return WhiteMixture.of(self).log_prob(scaled)

    def distance(self, scaled: Float[Array, "label"]) -> Float[Array, ""]:
        """Mahalanobis distance to the nearest component."""
        offset = scaled[None] - self.mean
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
        )

    def marginal(self, keep: np.ndarray) -> "Mixture":
        """Density of some of the labels, by position."""
        covariance = np.asarray(self.covariance)[:, keep][:, :, keep]
        return Mixture(self.weight, np.asarray(self.mean)[:, keep], covariance)

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
        weight, mean, covariance = (arrays[f"{prefix}_{name}"] for name in cls._fields)
        return cls(weight, mean, covariance)


class WhiteMixture(NamedTuple):
    """A Gaussian mixture ready to be evaluated often: nothing is factorised any more."""

    log_weight: Float[Array, "component"]
    mean: Float[Array, "component label"]
    inverse_root: Float[Array, "component label label"]

    @classmethod
    def of(cls, mixture: Mixture) -> "WhiteMixture":
        """Invert the Cholesky factors of all components."""
        inverse_root = jnp.linalg.inv(jnp.linalg.cholesky(jnp.asarray(mixture.covariance)))
        log_det = jnp.sum(jnp.log(jnp.diagonal(inverse_root, axis1=1, axis2=2)), axis=1)
        constant = 0.5 * mixture.mean.shape[1] * jnp.log(2 * jnp.pi)
        log_weight = jnp.log(jnp.asarray(mixture.weight)) + log_det - constant
        return cls(log_weight, jnp.asarray(mixture.mean), inverse_root)

    def log_prob(self, scaled: Float[Array, "label *batch"]) -> Float[Array, "*batch"]:
        """Log density."""
        return logsumexp(self._log_terms(scaled), axis=0)

    def log_prob_along(
        self,
        mean: Float[Array, "label"],
        frame: Float[Array, "label label"],
        rows: Float[Array, "monomial draw"],
    ) -> Float[Array, "draw"]:
        """Log density at mean + frame @ points, in the precision of `rows`.

        `rows` are the points' monomials up to degree 2 (`feature_rows`):
        where many stars share the points, all that is left is one product with each star's few
        polynomials.
        """
        turned = self.inverse_root @ frame
        off = jnp.einsum("cij,cj->ci", self.inverse_root, mean[None] - self.mean)
        i, j = np.triu_indices(len(mean))
        twice = np.where(i == j, 1.0, 2.0)[None]
        square = jnp.einsum("cki,ckj->cij", turned, turned)[:, i, j] * twice
        linear = 2 * jnp.einsum("cki,ck->ci", turned, off)
        distance = jnp.concatenate([jnp.sum(off**2, axis=1, keepdims=True), linear, square], axis=1)
        log_terms = self.log_weight[:, None].astype(rows.dtype) - 0.5 * (
            distance.astype(rows.dtype) @ rows
        )
        return logsumexp(log_terms, axis=0)

    def curvature(self, scaled: Float[Array, "label"]) -> Float[Array, "label label"]:
        """Precision of the components, by their share here: minus the Hessian's convex part."""
        share = jax.nn.softmax(self._log_terms(scaled))
        return jnp.einsum("c,cij,cik->jk", share, self.inverse_root, self.inverse_root)

    def _log_terms(self, scaled: Array) -> Array:
        n_component, n_label = self.mean.shape
        # one product for all components
        inverse_root = self.inverse_root.astype(scaled.dtype)
        turned = inverse_root.reshape(-1, n_label) @ scaled
        white = turned.reshape(n_component, n_label, *scaled.shape[1:])
        tail = [1] * (jnp.ndim(scaled) - 1)
        middle = jnp.einsum("cij,cj->ci", inverse_root, self.mean.astype(scaled.dtype))
        distance = jnp.sum((white - middle.reshape(*middle.shape, *tail)) ** 2, axis=1)
        return self.log_weight.astype(scaled.dtype).reshape(-1, *tail) - 0.5 * distance
