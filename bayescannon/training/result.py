"""What joint training hands over: coefficients over all features, factors, and the label scale."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from bayescannon.training.budget import Residuals
from bayescannon.training.e_step import Moments
from bayescannon.training.layout import Layout, Parameters
from bayescannon.training.regression import Shown
from bayescannon.training.sums import Sums
from bayescannon.typing import Array, Coefficients, Factors, Pixels, StarLabels


class Round(NamedTuple):
    """What is reported of each round."""

    objective: float
    moved: list[float]
    factors: int


class Snapshot(NamedTuple):
    """The model after some rounds.

    `alone` is what it says of every star from its spectrum alone; stars that trained it are left
    out of it for that. v'`leverage` v is how much a star at v weighs in the label scale.
    """

    parameters: Parameters
    sums: Sums | None
    """None once nobody will ask for it: it is large."""
    alone: Moments
    labels: StarLabels
    leverage: Float[np.ndarray, "feature feature"]
    history: tuple[Round, ...]
    converged: bool

    def residuals(self, layout: Layout, observed: StarLabels) -> Residuals:
        """Catalogue (star, label) less what the spectra alone say."""
        shown = np.asarray(self.alone.labels)[: len(observed)]
        own = np.asarray(self.alone.covariance)[: len(observed)]
        v = np.asarray(layout.features(shown))
        leverage = np.einsum("ni,ij,nj->n", v, self.leverage, v)
        return Residuals(observed - shown, own, leverage, shown)


class TrainingResult(NamedTuple):
    """Result of joint training.

    `leverage` (feature, feature) says how well the catalogue fixes the label scale: at labels l its
    variance is v.leverage.v times that of (catalogue - inferred), whose values are in `alone`, each
    star inferred from its spectrum by a model that it was left out of.
    """

    coefficients: Coefficients
    uncertainty: Float[Array, "pixel feature feature"]
    scatter: Pixels
    factors: Factors
    usable: np.ndarray
    leverage: Float[Array, "feature feature"]
    alone: Residuals
    labels: StarLabels
    history: list[Round]
    converged: bool
    few_stars: bool
    """The uncertainty of the coefficients matters for other stars, too."""
    shown: Shown
    """Labels and factors that each star's spectrum shows, inferred as `alone`."""


def assemble(
    layout: Layout,
    snapshot: Snapshot,
    observed: StarLabels,
    usable: Bool[np.ndarray, "pixel"],
    few: bool,
) -> TrainingResult:
    """Put the result together.

    Parameters
    ----------
    layout : Layout
    snapshot : Snapshot
        The last round.
    observed : (star, label)
        Scaled catalogue labels; NaN where missing.
    usable : (pixel,)
    few : bool
        Whether stars are few.

    Returns
    -------
    TrainingResult
    """
    p, n_star = snapshot.parameters, len(observed)
    k = layout.n_feature
    covariance = np.asarray(layout.unpack(p.uncertainty))
    # the undetermined directions are zero: a rotation collects the others
    axes, size, turn = np.linalg.svd(np.asarray(p.loadings[:, k:]), full_matrices=False)
    kept = snapshot.history[-1].factors if snapshot.history else layout.n_factor
    return TrainingResult(
        coefficients=np.where(usable[:, None], np.asarray(p.loadings[:, :k]), 0.0),
        uncertainty=covariance[:, :k, :k],
        scatter=np.where(usable, np.sqrt(np.asarray(p.scatter2)), 0.0),
        factors=np.where(usable[:, None], (axes * size[None])[:, :kept], 0.0),
        usable=usable,
        leverage=snapshot.leverage,
        alone=snapshot.residuals(layout, observed),
        labels=np.asarray(snapshot.labels)[:n_star],
        history=list(snapshot.history),
        converged=snapshot.converged,
        few_stars=few,
        shown=_shown(layout, snapshot.alone, turn[:kept], n_star),
    )


def _shown(layout: Layout, m: Moments, turn: np.ndarray, n_star: int) -> Shown:
    """Moments of the labels and, turned, of the factors."""
    entries = np.r_[layout.linear, layout.n_feature : layout.n_latent]
    mean, second = (np.asarray(part)[:n_star] for part in (m.u[:, entries], m.uu))
    second = second[:, entries][:, :, entries]
    whole = Shown(mean, second - mean[:, :, None] * mean[:, None], len(layout.linear))
    return whole.turned(turn.T)
