"""Repeated visits of the same stars: do labels and pixels scatter by the errors that are stated?"""

import json
from dataclasses import asdict, dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from bayescannon.calibration.repeats import (
    PhotonLaw,
    Visits,
    autocorrelation,
    fit_photon_law,
    scatter_over_error,
)
from bayescannon.errors import UserError
from bayescannon.labels import features
from bayescannon.model import Model
from bayescannon.posterior import infer
from bayescannon.recipe import ErrorRecipe
from bayescannon.spectra import Spectra
from bayescannon.star_ids import star_of
from bayescannon.trees import array

ROUNDS, CLOSE = 8, 0.02
SIGNIFICANT = 2.0
"""Labels have to scatter by so many of its errors more than pixels say to raise the floor."""


@dataclass(frozen=True)
class LabelScatter:
    """Scatter of one label between visits, over its stated photon error.

    Attributes
    ----------
    scatter, stated : float
        Root mean square scatter and photon error, label units.
    ratio, error, robust : float
        Scatter over photon error (rms), the error of that, and its robust counterpart.
    """

    scatter: float
    stated: float
    ratio: float
    error: float
    robust: float


@dataclass(frozen=True)
class Repeats:
    """What repeated visits say of photon errors.

    Attributes
    ----------
    stars, visits : int
        Stars with two visits or more, and all their visits.
    before, after : dict of str to LabelScatter
        With the model's recipe as it is, and with the law that was learned.
    pixel_ratio, pixel_robust : ndarray (pixel,)
        Scatter over stated error of every pixel: rms and robust; NaN where it was not repeated.
    pixel_error : ndarray (pixel,)
        Error of `pixel_ratio`.
    pixel_law : PhotonLaw
        Law of the errors of single pixels.
    correlation : dict of int to float
        Correlation of the noise of pixels so many pixels apart.
    photon_scale, photon_floor : float
        For the recipe's `[errors]`. The floor is that of single pixels, or, where correlated
        noise makes labels scatter by more, the one that accounts for the labels.
    """

    stars: int
    visits: int
    before: dict[str, LabelScatter]
    after: dict[str, LabelScatter]
    pixel_ratio: np.ndarray
    pixel_robust: np.ndarray
    pixel_error: np.ndarray
    pixel_law: PhotonLaw
    correlation: dict[int, float]
    photon_scale: float
    photon_floor: float

    @property
    def recipe(self) -> str:
        """The lines of a recipe that apply the law."""
        scale, floor = self.photon_scale, self.photon_floor
        return f"[errors]\nphoton_scale = {scale:.3f}\nphoton_floor = {floor:.4f}\n"

    def to_json(self) -> str:
        """All of it, pixels in percentiles."""
        told = {"creator": "bayescannon repeats"} | asdict(self)
        told["pixel_law"] = self.pixel_law._asdict()
        for name in ("pixel_ratio", "pixel_robust", "pixel_error"):
            told[name] = _percentiles(getattr(self, name))
        return json.dumps(told, indent=1) + "\n"


def repeats(model: Model, spectra: Spectra) -> Repeats:
    """Infer visits of the same stars, and learn the law of photon errors from what differs.

    Parameters
    ----------
    model : Model
        A trained model; its recipe's `[errors]` are not used.
    spectra : Spectra
        Normalised spectra of single visits on the model's grid. Visits of star X are named X, X#2,
        X#3, as `ingest_files(..., visits=True)` names them.

    Returns
    -------
    Repeats

    Raises
    ------
    UserError
        If no star has two visits.

    Notes
    -----
    The law e' = sqrt((scale e)^2 + floor^2) of single pixels is fitted to residuals about each
    star's mean spectrum, in which neither labels nor model errors enter. Noise that is correlated
    from pixel to pixel (continuum, sky) moves labels by more than independent pixels would: if
    labels scatter significantly more than this law says, the floor is raised until they do not,
    on average over labels. Two numbers are fitted to visits x labels, so that they cannot follow
    single labels. The photon error of a label is what the pixels' errors make of it when model
    errors have their weight in the fit but add no scatter.
    """
    some, visits = _grouped(spectra)
    flux, ivar = some.arrays(max_error=model.recipe.pixels.max_error)
    ivar = np.where(model.usable, ivar, 0.0)
    stated, law = PhotonLaw(1.0, 0.0), fit_photon_law(flux, ivar, visits)
    before = label_scatter(model, some, stated)
    learned, after = _law_of_labels(model, some, law, float(np.median(ivar[ivar > 0])))
    pixels = scatter_over_error(flux, np.sqrt(stated.variance(ivar)), visits)
    return Repeats(
        stars=visits.first.size,
        visits=len(some),
        before=before,
        after=after,
        pixel_ratio=pixels.ratio,
        pixel_robust=pixels.robust,
        pixel_error=pixels.error,
        pixel_law=law,
        correlation=autocorrelation(flux, np.sqrt(law.variance(ivar)), visits),
        photon_scale=learned.scale,
        photon_floor=learned.floor,
    )


def _grouped(spectra: Spectra) -> tuple[Spectra, Visits]:
    """Visits of stars that have two or more, star by star."""
    star = np.array([star_of(name) for name in spectra.star_id])
    _, index, count = np.unique(star, return_inverse=True, return_counts=True)
    order = np.flatnonzero(count[index] > 1)
    if not order.size:
        raise UserError(
            "no star has two visits: visits of star X are named X, X#2, X#3 "
            "(`bayescannon ingest --visits`)"
        )
    order = order[np.argsort(index[order], kind="stable")]
    return spectra[order], Visits.of(index[order])


def _law_of_labels(
    model: Model, spectra: Spectra, law: PhotonLaw, ivar: float
) -> tuple[PhotonLaw, dict[str, LabelScatter]]:
    """Raise the floor of the pixels' law until labels scatter as stated; `ivar` is a typical one.

    Every round changes the variance of a typical pixel by what labels scatter too much.
    """
    floor = law.floor
    for _ in range(ROUNDS):
        learned = law._replace(floor=floor)
        found = label_scatter(model, spectra, learned)
        over = np.nanmean([np.log(label.ratio) for label in found.values()])
        error = np.nanmean([label.error / label.ratio for label in found.values()])
        if abs(over) < CLOSE or (floor == law.floor and over < SIGNIFICANT * error):
            break
        variance = law.scale**2 / ivar + floor**2
        floor = float(np.sqrt(max(floor**2 + variance * np.expm1(2 * over), law.floor**2)))
    return learned, found


def label_scatter(model: Model, spectra: Spectra, law: PhotonLaw) -> dict[str, LabelScatter]:
    """Scatter of inferred labels between visits over their photon errors under a law.

    Parameters
    ----------
    model, spectra
        As for `repeats`.
    law : PhotonLaw
        Law of the errors of pixels.

    Returns
    -------
    dict of str to LabelScatter

    Raises
    ------
    UserError
        If no star has two visits.
    """
    spectra, visits = _grouped(spectra)
    recipe = replace(model.recipe, errors=ErrorRecipe(law.scale, law.floor))
    model = replace(model, recipe=recipe)
    labels = array(infer(model, spectra, "laplace", prior="flat", draws=2), "point/map")
    off, _ = visits.residuals(labels, np.isfinite(labels).astype(float))
    _, ivar = spectra.arrays(max_error=recipe.pixels.max_error)
    variance = law.variance(np.where(model.usable, ivar, 0.0))
    rows = zip(labels - off, variance, strict=True)
    sd = np.stack([_photon_sd(model, *row) for row in rows])
    found = scatter_over_error(labels, sd, visits)
    free = len(labels) - visits.first.size
    scatter, stated = np.sqrt(np.nansum(off**2, axis=0) / free), np.sqrt(np.nanmean(sd**2, axis=0))
    columns = (scatter, stated, found.ratio, found.error, found.robust)
    return {
        name: LabelScatter(*(float(c[i]) for c in columns)) for i, name in enumerate(model.labels)
    }


def _photon_sd(model: Model, labels: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Errors of the best labels (label,) of a star by noise in its pixels of variance (pixel,).

    To first order the labels answer to a change of the flux by (J'C^-1 J)^-1 J'C^-1. C holds the
    noise and the model's errors, scatter and factors, by which the fit weighs pixels; only the
    noise differs between visits.
    """
    slope = jax.jacfwd(lambda x: features(x[None], model.recipe.labels.degree)[0])
    scaled = jnp.asarray(model.scaled(labels)[0])
    j = model.coefficients @ (np.asarray(slope(scaled)) / model.scaling.scale)
    weight = 1.0 / (variance + model.scatter**2)  # 0 where nothing was measured
    j, factors = (np.where(weight[:, None] > 0, a, 0.0) for a in (j, model.factors))
    inner = np.eye(factors.shape[1]) + (factors.T * weight) @ factors
    white = weight[:, None] * (j - factors @ np.linalg.solve(inner, (factors.T * weight) @ j))
    gain = np.linalg.solve(white.T @ j, white.T)
    return np.sqrt(gain**2 @ np.where(np.isfinite(variance), variance, 0.0))


def _percentiles(values: np.ndarray) -> dict[int, float]:
    """Percentiles of what is a number."""
    levels, known = (5, 25, 50, 75, 95), values[np.isfinite(values)]
    found = np.percentile(known, levels) if known.size else np.full(len(levels), np.nan)
    return dict(zip(levels, found.tolist(), strict=True))
