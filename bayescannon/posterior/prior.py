"""Priors on the labels: explicit, recorded, and divided out again where another belongs."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Float

from bayescannon.errors import UserError
from bayescannon.labels import Mixture, straightened
from bayescannon.model import Model
from bayescannon.typing import Array

TAIL_SHARE, TAIL_WIDTH = 0.05, 2.0
"""The `population` prior has this share in a Gaussian so much wider than the training set."""
EDGE = 0.1
"""Width of the soft edge of the `flat` prior, in units of the training range of each label."""


class SoftBox(NamedTuple):
    """Flat inside a box in scaled labels, with Gaussian edges outside."""

    low: Float[Array, "label"]
    high: Float[Array, "label"]
    edge: Float[Array, "label"]

    def log_prob(self, scaled: Float[Array, "label *batch"]) -> Float[Array, "*batch"]:
        """Log density up to a constant."""
        tail = [1] * (jnp.ndim(scaled) - 1)
        low, high, edge = (jnp.asarray(a, scaled.dtype).reshape(-1, *tail) for a in self)
        outside = jnp.maximum(low - scaled, 0.0) + jnp.maximum(scaled - high, 0.0)
        return -0.5 * jnp.sum((outside / edge) ** 2, axis=0)

    def curvature(self, scaled: Float[Array, "label"]) -> Float[Array, "label label"]:
        """Minus the Hessian of the log density."""
        beyond = (scaled < self.low) | (scaled > self.high)
        return jnp.diag(jnp.where(beyond, self.edge**-2.0, 0.0))


class WhiteMixture(NamedTuple):
    """A Gaussian mixture ready to be evaluated often: nothing is factorised any more."""

    log_weight: Float[Array, "component"]
    mean: Float[Array, "component label"]
    inverse_root: Float[Array, "component label label"]
    bend: Float[Array, "label feature"] | None = None
    """See `Mixture`."""

    @classmethod
    def of(cls, mixture: Mixture) -> "WhiteMixture":
        """Invert the Cholesky factors of all components."""
        inverse_root = jnp.linalg.inv(jnp.linalg.cholesky(jnp.asarray(mixture.covariance)))
        log_det = jnp.sum(jnp.log(jnp.diagonal(inverse_root, axis1=1, axis2=2)), axis=1)
        constant = 0.5 * mixture.mean.shape[1] * jnp.log(2 * jnp.pi)
        log_weight = jnp.log(jnp.asarray(mixture.weight)) + log_det - constant
        bend = None if mixture.bend is None else jnp.asarray(mixture.bend)
        return cls(log_weight, jnp.asarray(mixture.mean), inverse_root, bend)

    def around(self, x: Float[Array, "label"]) -> "WhiteMixture":
        """The same to first order around scaled labels x, without a bend."""
        if self.bend is None:
            return self
        even, slope = straightened(x, self.bend), self._slope(x)
        back = jnp.linalg.inv(slope)
        mean = x[None] + (self.mean - even[None]) @ back.T
        return WhiteMixture(self.log_weight, mean, self.inverse_root @ slope)

    def _slope(self, x: Float[Array, "label"]) -> Float[Array, "label label"]:
        return jax.jacfwd(lambda at: straightened(at, self.bend))(x)

    def log_prob(self, scaled: Float[Array, "label *batch"]) -> Float[Array, "*batch"]:
        """Log density."""
        return logsumexp(self._log_terms(straightened(scaled, self.bend)), axis=0)

    def log_prob_along(
        self,
        mean: Float[Array, "label"],
        frame: Float[Array, "label label"],
        rows: Float[Array, "monomial draw"],
    ) -> Float[Array, "draw"]:
        """Log density at mean + frame @ points, in the precision of `rows`.

        Only without a bend. `rows` are the points' monomials up to degree 2 (`feature_rows`):
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
        here = self.around(scaled)
        share = jax.nn.softmax(here._log_terms(scaled))
        return jnp.einsum("c,cij,cik->jk", share, here.inverse_root, here.inverse_root)

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


@jax.tree_util.register_pytree_node_class
class LabelDistribution:
    """A user's NumPyro distribution over the label vector, in label units."""

    def __init__(self, distribution, pivot, scale):
        self.distribution, self.pivot, self.scale = distribution, pivot, scale

    def log_prob(self, scaled: Float[Array, "label *batch"]) -> Float[Array, "*batch"]:
        """Log density up to a constant (the scale's Jacobian)."""

        def one(at):
            return self.distribution.log_prob(at.astype(float) * self.scale + self.pivot)

        return jnp.vectorize(one, signature="(label)->()")(jnp.moveaxis(scaled, 0, -1))

    def curvature(self, scaled: Float[Array, "label"]) -> Float[Array, "label label"]:
        """Minus the Hessian of the log density, which need not be convex."""
        return -jax.hessian(self.log_prob)(scaled)

    def tree_flatten(self):
        return (self.distribution, self.pivot, self.scale), None

    @classmethod
    def tree_unflatten(cls, _, leaves):
        return cls(*leaves)


Prior = WhiteMixture | SoftBox | LabelDistribution


def population_prior(population: Mixture) -> Mixture:
    """Density of the training set, and a broad tail that lets other stars be what they are.

    Widening every component instead would shrink labels too little that spectra show poorly:
    mass, for which the prior at given other labels is as sharp as the spectrum.
    """
    return population.with_tail(TAIL_SHARE, TAIL_WIDTH)


def apparent_prior(model: Model, prior: Prior) -> Prior:
    """Prior of the labels that spectra show, which true ones scatter about.

    Training puts the apparent labels of its stars on the scale of the true ones by a regression:
    the model's error is independent of them. The population of apparent labels is that of the
    true ones with the error's covariance taken out, so that draws under it to which the error is
    added have the population that was asked for. A flat prior is flat in both.
    """
    error = model.label_error
    if error is None or not np.any(error.covariance) or not isinstance(prior, WhiteMixture):
        return prior
    assert model.population is not None  # the mixture was made of it
    return WhiteMixture.of(population_prior(model.population).less(error.model_covariance))


def make_prior(model: Model, prior) -> tuple[Prior, str]:
    """Build a prior over scaled labels.

    Parameters
    ----------
    model : Model
        Its training set defines both named priors.
    prior : None, "population", "flat", or a NumPyro distribution
        None takes the recipe's. `population` is the density of the training labels, noise
        removed, with a broad component of 5 % for stars unlike those. `flat` is constant over the
        training range with soft edges of a tenth of the range. A distribution has event
        shape (label,), in label units.

    Returns
    -------
    prior : Prior
    description : str
        What is recorded with the posterior.

    Raises
    ------
    UserError
        If the name is unknown, the model does not know its training set, or a distribution
        has another event shape.
    """
    prior = model.recipe.inference.prior if prior is None else prior
    if not isinstance(prior, str):
        wanted = (len(model.labels),)
        if getattr(prior, "event_shape", None) != wanted:
            raise UserError(
                f"prior must be 'population', 'flat' or a NumPyro distribution with event shape "
                f"{wanted} (labels {', '.join(model.labels)}), not {prior!r}"
            )
        pivot, scale = (jnp.asarray(part) for part in model.scaling)
        return LabelDistribution(prior, pivot, scale), f"user: {type(prior).__name__}"
    if prior == "flat":
        low, high = model.scaling.to_scaled(model.label_range)
        edge = EDGE * (high - low)
        return SoftBox(*(jnp.asarray(a) for a in (low, high, edge))), "flat"
    if prior != "population":
        raise UserError(f"prior {prior!r} is unknown: use 'population' or 'flat'")
    if model.population is None:
        raise UserError(
            f"model {model.name!r} does not know its training labels, so it has no 'population' "
            "prior: use prior='flat'"
        )
    return WhiteMixture.of(population_prior(model.population)), "population"
