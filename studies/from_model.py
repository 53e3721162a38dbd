"""Stars simulated by a model itself, labels from its prior: what `calibration.ranks` needs."""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit
from scipy.stats import norm

from bayescannon.errors import UserError
from bayescannon.keys import star_generator, star_keys
from bayescannon.labels import Mixture, features
from bayescannon.model import Model
from bayescannon.model.by_state import StateModels, states_of
from bayescannon.posterior.convolve import convolve
from bayescannon.posterior.prior import population_prior
from bayescannon.spectra import SIMULATED, Spectra

TRIED = 500
"""Draws of the factors from which one that fits a star is taken."""
SNR = (20.0, 400.0)
"""Range of the signal-to-noise ratio per pixel, uniform in its logarithm."""


class SimulatedStars(NamedTuple):
    """Stars whose labels are known."""

    labels: Float[np.ndarray, "star label"]
    """True labels, in label units."""
    snr: Float[np.ndarray, "star"]
    spectra: Spectra


def simulate_stars(
    model: Model,
    n: int,
    seed: int = 0,
    prior: Mixture | None = None,
    labels: Float[np.ndarray, "star label"] | None = None,
    rc: Bool[np.ndarray, "star"] | None = None,
    first: int = 0,
) -> SimulatedStars:
    """Draw labels from the `population` prior and spectra from the model.

    Residual factors and the uncertainty of the label scale are drawn for each star, too.

    Parameters
    ----------
    model : Model
        Its usable pixels are all measured.
    n : int
        Number of stars, of S/N 20 to 400 per pixel.
    seed : int
        Together with the name of each star, `made-000000` onwards, it fixes the star.
    prior : Mixture, optional
        Density of scaled labels to draw from instead.
    labels : (star, label), optional
        True labels; nothing is drawn then.
    rc : (star,), optional
        Which stars are in the clump, for a model that knows the states; drawn if not given.
    first : int
        Number in the name of the first star.

    Raises
    ------
    UserError
        If the model has no population and no prior is given.
    """
    states = states_of(model)
    if states is not None:
        return _of_states(states, n, seed, prior, labels, rc)
    if model.relation is not None:
        return _with_indirect(model, n, seed, prior, labels, rc, first)
    if prior is None:
        if model.population is None:
            raise UserError(f"model {model.name!r} does not know its training labels")
        prior = population_prior(model.population)
    parts = (prior.weight, prior.mean, prior.covariance)
    weight, mean, covariance = map(np.asarray, parts)
    root = np.linalg.cholesky(covariance)
    star_id = [f"made-{i:06d}" for i in range(first, first + n)]
    scaled, snr = np.empty((n, len(model.labels))), np.empty(n)
    noise = np.empty((n, len(model.scatter)), np.float32)
    along = np.empty((n, model.factors.shape[1]))
    for i, name in enumerate(star_id):
        rng = star_generator(seed, name)
        component = rng.choice(len(weight), p=weight / weight.sum())
        scaled[i] = mean[component] + root[component] @ rng.normal(size=mean.shape[1])
        snr[i] = np.exp(rng.uniform(*np.log(SNR)))
        along[i] = rng.normal(size=along.shape[1])
        noise[i] = rng.standard_normal(noise.shape[1], np.float32)
    if labels is not None:
        scaled = model.scaling.to_scaled(labels)
    shown = scaled
    if model.label_error is not None:
        degree, keys = model.recipe.labels.degree, star_keys(seed, np.array(star_id))
        moved = convolve(keys, scaled[:, None, None], model.label_error, degree)[:, 0, 0]
        shown = 2 * scaled - moved
    labels = model.scaling.to_labels(scaled)
    spread = np.hypot(1 / snr[:, None], model.scatter)
    flux = model.predict(model.scaling.to_labels(shown)) + along @ model.factors.T + spread * noise
    ivar = np.where(model.usable, snr[:, None] ** 2, 0.0)
    axis = {"channel": model.channel, "columns": {SIMULATED: np.ones(len(flux), bool)}}
    spectra = Spectra(model.wavelength, np.where(model.usable, flux, 0.0), ivar, star_id, **axis)
    return SimulatedStars(labels, snr, spectra)


def _with_indirect(model: Model, n, seed, prior, labels, rc, first) -> SimulatedStars:
    """Draw the direct labels, then factors and state that go with the indirect one.

    Of many draws of the factors one is taken, by how well the relation has it lead to the wanted
    label and state; where none is wanted, the label and state that the first draw leads to.
    """
    relation, direct = jax.tree.map(np.asarray, model.relation), model.direct
    at = model.labels.index(model.recipe.training.carried[0])
    scaled = None if labels is None else model.scaling.to_scaled(np.asarray(labels))
    given = None if labels is None else np.delete(np.asarray(labels), at, axis=1)
    bare = replace(direct, factors=np.zeros((len(model.scatter), 0)))
    marginal = prior and prior.marginal(np.delete(np.arange(len(model.labels)), at))
    stars = simulate_stars(bare, n, seed, marginal, given, None, first)
    x = direct.scaling.to_scaled(stars.labels)
    flux, ivar = stars.spectra.arrays()
    label, n_state = np.empty(n), len(relation.scatter)
    for i, name in enumerate(stars.spectra.star_id):
        rng = star_generator(seed, f"factors of {name}")
        z = rng.normal(size=(TRIED, model.factors.shape[1]))
        inputs = np.concatenate([np.tile(x[i], (TRIED, 1)), z @ relation.turn], axis=1)
        v = np.asarray(features(jnp.asarray(inputs)))
        which = rng.integers(relation.coefficients.shape[1], size=TRIED)
        p = np.zeros(TRIED)
        if n_state > 1:
            p = expit(np.sum(v * relation.log_odds[which], axis=1))
        state = (rng.uniform(size=TRIED) < p).astype(int)
        weight = np.ones(TRIED)
        if rc is not None and n_state > 1:
            state, weight = np.full(TRIED, int(rc[i])), p if rc[i] else 1 - p
        mean = np.sum(v * relation.coefficients[state, which], axis=1)
        if scaled is not None:
            weight = weight * norm.pdf(scaled[i, at], mean, relation.scatter[state])
        weight = weight if weight.sum() > 0 else np.ones(TRIED)
        k = rng.choice(TRIED, p=weight / weight.sum())
        label[i] = mean[k] + relation.scatter[state[k]] * rng.normal()
        flux[i] += np.where(model.usable, model.factors @ z[k], 0.0)
    found = np.insert(
        stars.labels, at, model.scaling.pivot[at] + model.scaling.scale[at] * label, 1
    )
    spectra = Spectra(model.wavelength, flux, ivar, stars.spectra.star_id)
    return SimulatedStars(found if labels is None else np.asarray(labels), stars.snr, spectra)


def _of_states(states: StateModels, n: int, seed: int, prior, labels, rc) -> SimulatedStars:
    """Make every star in both states, and keep the one it is in."""
    a, b = (simulate_stars(part, n, seed, prior, labels) for part in states.parts)
    if rc is None:
        levels = [star_generator(seed, f"state of {name}").uniform() for name in a.spectra.star_id]
        rc = np.array(levels) < states.share_rc
    chosen = np.asarray(rc)[:, None]
    (flux, ivar), (other, _) = (s.spectra.arrays() for s in (a, b))
    axis = {"channel": states.channel, "columns": a.spectra.columns}
    flux = np.where(chosen, other, flux)
    spectra = Spectra(states.wavelength, flux, ivar, a.spectra.star_id, **axis)
    return SimulatedStars(np.where(chosen, b.labels, a.labels), a.snr, spectra)
