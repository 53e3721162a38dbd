"""Stars made by the model itself, and whether their posteriors are calibrated.

Simulation-based calibration (Talts et al. 2018): when labels come from the prior and spectra from
the model, the rank of the true label among independent posterior draws is uniform.
"""

from typing import NamedTuple

import numpy as np
from jax.scipy.stats import chi2
from jaxtyping import Float, Int

from ..errors import UserError
from ..keys import star_generator
from ..labels import Mixture
from ..model import Model
from ..spectra import Spectra
from .label_map import draw_shift
from .prior import population_prior

SNR = (20.0, 400.0)
"""Range of the signal-to-noise ratio per pixel, uniform in its logarithm."""


class MadeStars(NamedTuple):
    """Stars whose labels are known."""

    labels: Float[np.ndarray, "star label"]
    """True labels, in label units."""
    snr: Float[np.ndarray, "star"]
    spectra: Spectra


class Calibration(NamedTuple):
    """How far the ranks of the true labels are from uniform."""

    p_value: Float[np.ndarray, "label"]
    """Of the chi2 of the histogram of ranks."""
    ecdf_excess: Float[np.ndarray, "label"]
    """Largest distance of the ECDF from the diagonal, in units of its simultaneous 99 % band."""

    @property
    def passed(self) -> bool:
        """Whether every label passes at 1 %, p-values after Bonferroni."""
        enough = self.p_value.min() * len(self.p_value) > 0.01
        return bool(enough and self.ecdf_excess.max() < 1.0)


def make_stars(model: Model, n: int, seed: int = 0, prior: Mixture | None = None) -> MadeStars:
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

    Raises
    ------
    UserError
        If the model has no population and no prior is given.
    """
    if prior is None:
        if model.population is None:
            raise UserError(f"model {model.name!r} does not know its training labels")
        prior = population_prior(model.population)
    weight, mean, covariance = (np.asarray(part) for part in prior)
    root = np.linalg.cholesky(covariance)
    star_id = [f"made-{i:06d}" for i in range(n)]
    scaled, snr = np.empty((n, len(model.labels))), np.empty(n)
    noise = np.empty((n, len(model.scatter)), np.float32)
    along = np.empty((n, model.factors.shape[1]))
    shift = np.zeros(scaled.shape)
    for i, name in enumerate(star_id):
        rng = star_generator(seed, name)
        component = rng.choice(len(weight), p=weight / weight.sum())
        scaled[i] = mean[component] + root[component] @ rng.normal(size=mean.shape[1])
        snr[i] = np.exp(rng.uniform(*np.log(SNR)))
        along[i] = rng.normal(size=along.shape[1])
        noise[i] = rng.standard_normal(noise.shape[1], np.float32)
        if model.label_map is not None:
            shift[i] = rng.normal(size=shift.shape[1])
    if model.label_map is not None:
        shift = draw_shift(model.label_map, scaled, model.recipe.labels.degree, shift)
    labels = model.scaling.to_labels(scaled)
    spread = np.hypot(1 / snr[:, None], model.scatter)
    flux = (
        model.predict(model.scaling.to_labels(scaled + shift))
        + along @ model.factors.T
        + spread * noise
    )
    ivar = np.where(model.usable, snr[:, None] ** 2, 0.0)
    axis = {"channel": model.channel}
    spectra = Spectra(model.wavelength, np.where(model.usable, flux, 0.0), ivar, star_id, **axis)
    return MadeStars(labels, snr, spectra)


def ranks(
    truth: Float[np.ndarray, "star label"],
    draws: Float[np.ndarray, "draw star label"],
    n_thinned: int = 199,
) -> Int[np.ndarray, "star label"]:
    """Rank each true label among evenly thinned draws: 0 to `n_thinned`."""
    keep = np.linspace(0, len(draws) - 1, n_thinned).round().astype(int)
    return (draws[keep] < truth).sum(axis=0)


def judge_ranks(
    rank: Int[np.ndarray, "star label"], n_thinned: int = 199, bins: int = 20
) -> Calibration:
    """Test ranks against the uniform distribution.

    Parameters
    ----------
    rank : int (star, label)
        0 to `n_thinned`.
    n_thinned : int
        Draws that each truth was ranked among; one more must be a multiple of `bins`.
    bins : int
        Of the histogram.
    """
    n = len(rank)
    edges = np.linspace(0, n_thinned + 1, bins + 1)
    p_value, excess = [], []
    for column in rank.T:
        count, _ = np.histogram(column, edges)
        statistic = float(((count - n / bins) ** 2).sum() / (n / bins))
        p_value.append(float(chi2.sf(statistic, float(bins - 1))))
        at = np.arange(n_thinned + 1)
        ecdf = np.searchsorted(np.sort(column), at, side="right") / n
        excess.append(np.abs(ecdf - (at + 1) / (n_thinned + 1)).max() / ecdf_band(n))
    return Calibration(np.array(p_value), np.array(excess))


def ecdf_band(n: int) -> float:
    """Half width of the simultaneous 99 % band of the ECDF of n uniform numbers.

    Kolmogorov's, with Stephens's (1970) correction for finite n; ranks, being discrete, stay
    inside a little more often.
    """
    return 1.6276 / (np.sqrt(n) + 0.12 + 0.11 / np.sqrt(n))
