"""`Model`: coefficients, scatter and all that is needed to use them."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np
from astropy.table import Table

from bayescannon.calibration import Certificate
from bayescannon.errors import UserError
from bayescannon.labels import Mixture, Scaling, features, features_of, n_features
from bayescannon.model.error import Chi2Law, CoefficientNoise, LabelError
from bayescannon.recipe import Recipe
from bayescannon.states import Relation

PLAIN = ("label_range", "coefficients", "scatter", "usable", "factors")
"""Arrays that every model has as attributes."""
PARTS = {
    "label_error": LabelError,
    "coefficient_noise": CoefficientNoise,
    "chi2_law": Chi2Law,
    "relation": Relation,
}
"""What a model may know beside, each made of arrays."""


@dataclass(frozen=True)
class Model:
    """A trained quadratic-in-labels model of spectra.

    Attributes
    ----------
    recipe : Recipe
        Names of the labels, the grid, and the settings it was made with.
    scaling : Scaling
        Pivot and scale of each label, (label,).
    label_range : ndarray (2, label)
        Smallest and largest training label.
    wavelength : ndarray (pixel,) or None
        Vacuum wavelength [Angstrom]; None where `channel` names the pixels.
    coefficients : ndarray (pixel, feature)
        theta of Eq. 2, in scaled labels; flux units.
    scatter : ndarray (pixel,)
        Intrinsic scatter s, flux units.
    usable : ndarray of bool (pixel,)
        False where training could not fit the pixel: it is left out of inference.
    factors : ndarray (pixel, factor)
        Residual factors F: covariance F F^T beside the diagonal; may have no column.
    population : Mixture or None
        Density of the training labels in scaled labels; None where they are not known.
    label_error : LabelError or None
        Law of the model's own errors in label space, which `infer` puts into the draws; None
        where training labels were taken as exact.
    coefficient_noise : CoefficientNoise or None
        How uncertain the coefficients are, nearly; `infer` takes the expectation over it. None
        where training labels were taken as exact, or stars are many.
    chi2_law : Chi2Law or None
        What reduced chi2 the training stars have; `infer` flags stars far above it.
    relation : Relation or None
        What labels and factors say of the indirect label and of the evolutionary state. Then
        `population`, `label_range` and `coefficients` know all labels, and `label_error` and
        `coefficient_noise` are those of the `direct` model.
    uncertainty : ndarray (pixel, feature, feature) or None
        Covariance of the coefficients; None where it was left out to save space.
    channel : tuple of str or None
        Names of the pixels where they are no wavelengths.
    card : str
        What the model was trained on, for what, and its limits (Markdown).
    report : dict
        What training reported.
    certificate : Certificate or None
        What held-out stars say of its intervals (`certify`); None where nobody has looked.

    Raises
    ------
    UserError
        If the arrays do not fit together.
    """

    recipe: Recipe
    scaling: Scaling
    label_range: np.ndarray
    wavelength: np.ndarray | None
    coefficients: np.ndarray
    scatter: np.ndarray
    usable: np.ndarray
    factors: np.ndarray
    population: Mixture | None = None
    label_error: LabelError | None = None
    coefficient_noise: CoefficientNoise | None = None
    chi2_law: Chi2Law | None = None
    relation: Relation | None = None
    uncertainty: np.ndarray | None = None
    channel: tuple[str, ...] | None = None
    card: str = ""
    report: dict | None = None
    certificate: Certificate | None = None

    def __post_init__(self) -> None:
        n_label, n_pixel = len(self.recipe.labels.names), len(self.scatter)
        expected = {
            "coefficients": (n_pixel, n_features(n_label, self.recipe.labels.degree)),
            "usable": (n_pixel,),
            "label_range": (2, n_label),
            "factors": (n_pixel, self.factors.shape[-1]),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                got = getattr(self, name).shape
                raise UserError(f"model {self.name!r}: {name} has shape {got}, expected {shape}")
        axis = self.channel if self.wavelength is None else self.wavelength
        if axis is None or len(axis) != n_pixel:
            raise UserError(f"model {self.name!r}: the axis does not have {n_pixel} pixels")

    @property
    def name(self) -> str:
        """Name of the model, from its recipe."""
        return self.recipe.name

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, in order."""
        return self.recipe.labels.names

    @cached_property
    def direct(self) -> Model:
        """The model of the labels that spectra show themselves."""
        if self.relation is None:
            return self
        recipe = self.recipe.direct
        keep = np.array([self.labels.index(name) for name in recipe.labels.names])
        there = features_of(keep, len(self.labels), recipe.labels.degree)
        shown = self.coefficients - self.factors @ np.asarray(self.relation.response)
        known = self.uncertainty
        return replace(
            self,
            recipe=recipe,
            scaling=Scaling(*(np.asarray(part)[keep] for part in self.scaling)),
            label_range=self.label_range[:, keep],
            coefficients=shown[:, there],
            population=None if self.population is None else self.population.marginal(keep),
            relation=None,
            uncertainty=None if known is None else known[:, there][:, :, there],
        )

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits that change with any number or setting in the model."""
        digest = hashlib.sha256(self.recipe.dumps().encode())
        digest.update(json.dumps(self.channel).encode())
        for array in self.arrays().values():
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:12]

    def save(self, folder: str | os.PathLike, overwrite: bool = False) -> None:
        """Write a model folder: recipe, arrays, card.

        Parameters
        ----------
        folder : path
        overwrite : bool
            Replace a model that is there, once the new one is complete.

        Raises
        ------
        UserError
            If something else is there, or nothing may be written there.
        """
        from bayescannon.model.store import Parts, write_folder

        info = {"id": self.id, "channel": self.channel, "report": self.report}
        more = (self.card, self.uncertainty, self.certificate)
        write_folder(folder, Parts(self.recipe, self.arrays(), info, *more), overwrite)

    @classmethod
    def load(cls, folder: str | os.PathLike) -> Model:
        """Read a model folder, or the model of this name that ships.

        Raises
        ------
        UserError
            If it is no model folder, is damaged, or was written by a newer version.
        """
        from bayescannon.model.store import read_folder

        return read_folder(folder, cls._of_parts)

    @classmethod
    def _of_parts(cls, parts) -> Model:
        given, channel = parts.arrays, parts.info.get("channel")
        return cls(
            recipe=parts.recipe,
            scaling=Scaling(given["pivot"], given["scale"]),
            wavelength=given.get("wavelength"),
            population=Mixture.of_arrays(given, "population"),
            uncertainty=parts.uncertainty,
            channel=tuple(channel) if channel else None,
            card=parts.card,
            report=parts.info.get("report"),
            certificate=parts.certificate,
            **{name: given[name] for name in PLAIN},
            **{name: kind.of_arrays(given) for name, kind in PARTS.items()},
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by name that decide a posterior: what `id` is made of."""
        arrays = self.scaling._asdict() | {name: getattr(self, name) for name in PLAIN}
        if self.wavelength is not None:
            arrays["wavelength"] = self.wavelength
        if self.population is not None:
            arrays |= self.population.arrays("population")
        for name in PARTS:
            if (part := getattr(self, name)) is not None:
                arrays |= part.arrays()
        return arrays

    def scaled(self, labels) -> np.ndarray:
        """Scale labels; takes what `predict` takes, gives (star, label)."""
        if isinstance(labels, Table):
            missing = [name for name in self.labels if name not in labels.colnames]
            if missing:
                raise UserError(f"the label table has no column {missing[0]!r}")
            labels = np.stack([np.asarray(labels[name], float) for name in self.labels], axis=1)
        labels = np.atleast_2d(np.asarray(labels, float))
        if labels.shape[-1] != len(self.labels):
            raise UserError(
                f"got {labels.shape[-1]} labels a star, but model {self.name!r} has "
                f"{len(self.labels)}: {', '.join(self.labels)}"
            )
        return self.scaling.to_scaled(labels)

    def predict(self, labels) -> np.ndarray:
        """Generate the flux of stars with given labels (Eq. 1 without noise).

        Parameters
        ----------
        labels : array (star, label) or (label,), or Table with a column for each label
            In label units: K, dex, ln Msun.

        Returns
        -------
        ndarray (star, pixel)
            Normalised flux; NaN in pixels that training could not fit.

        Raises
        ------
        UserError
            If a label is missing.
        """
        v = jnp.asarray(self._features(labels))
        return np.where(self.usable, np.asarray(v @ self.coefficients.T), np.nan)

    def predict_sd(self, labels) -> np.ndarray:
        """Standard deviation of a noiseless spectrum about `predict`.

        Uncertainty of the coefficients, residual factors, intrinsic scatter, and the model's own
        error in label space, to first order, together.

        Parameters
        ----------
        labels
            As for `predict`.

        Returns
        -------
        ndarray (star, pixel)
            NaN in pixels that training could not fit.

        Raises
        ------
        UserError
            If a label is missing, or the model was stored without `uncertainty`.
        """
        if self.uncertainty is None:
            raise UserError(
                f"model {self.name!r} was stored without the uncertainty of its coefficients: "
                "train it again from its recipe"
            )
        v = self._features(labels)
        noise = np.einsum("ni,pij,nj->np", v, self.uncertainty, v, optimize=True)
        variance = noise + self.scatter**2 + np.sum(self.factors**2, axis=1)
        if self.label_error is not None:
            degree, own = self.recipe.labels.degree, self.direct
            keep = [self.labels.index(name) for name in own.labels]
            scaled = jnp.asarray(self.scaled(labels)[:, keep])
            bend = jax.vmap(jax.jacfwd(partial(features, degree=degree)))(scaled)
            slope = np.einsum("pi,nil->npl", own.coefficients, bend)
            error = self.label_error.model_covariance_at(np.asarray(features(scaled, degree)))
            variance = variance + np.einsum("npk,nkl,npl->np", slope, error, slope, optimize=True)
        return np.where(self.usable, np.sqrt(variance), np.nan)

    def _features(self, labels) -> np.ndarray:
        return np.asarray(features(jnp.asarray(self.scaled(labels)), self.recipe.labels.degree))
