"""What a model knows of its own errors: in label space, and in its coefficients."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from bayescannon.labels import Curvature
from bayescannon.typing import Array

LEAST_LEVERAGE = 1e-4
"""Of any star: an error that grows with it does not vanish at the pivot."""


class LabelError(NamedTuple):
    """Law of (true label - the label that a spectrum shows), in scaled labels.

    At labels l with leverage h = v(l).leverage.v(l) it is the sum of two errors. The label scale,
    which noisy training labels fix only so well: N(0, (h + shared) `scale_covariance`). And what
    spectra do that the model does not describe: a multivariate Student t with `degrees` of freedom
    and scale matrix g `covariance`, g = (h / typical)^growth.

    Attributes
    ----------
    leverage : (feature, feature)
    scale_covariance, covariance : (label, label)
    degrees, growth, typical, shared : float
        `degrees` inf is a Gaussian; `typical` is the median leverage of training stars, `shared`
        what the residual factors add to that of every star in fixing the label scale.
    curvature : Curvature or None
        What true labels are more than those that the spectrum shows, and how sure that is.
    """

    leverage: Float[Array, "feature feature"]
    scale_covariance: Float[Array, "label label"]
    covariance: Float[Array, "label label"]
    degrees: float = np.inf
    growth: float = 0.0
    typical: float = 1.0
    shared: float = 0.0
    curvature: Curvature | None = None

    @property
    def model_covariance(self) -> Float[np.ndarray, "label label"]:
        """Covariance of the second error, tails included, at the typical leverage."""
        tails = self.degrees / (self.degrees - 2.0) if np.isfinite(self.degrees) else 1.0
        return tails * np.asarray(self.covariance)

    def model_covariance_at(
        self, v: Float[np.ndarray, "star feature"]
    ) -> Float[np.ndarray, "star label label"]:
        """The same at labels with features v."""
        h = np.maximum(np.einsum("ni,ij,nj->n", v, self.leverage, v), LEAST_LEVERAGE)
        return (h / self.typical)[:, None, None] ** self.growth * self.model_covariance

    def arrays(self) -> dict[str, np.ndarray]:
        """All parts, by names that `of_arrays` knows."""
        parts = self._asdict()
        bent = parts.pop("curvature")
        if bent is not None:
            parts |= {f"curvature_{name}": part for name, part in bent._asdict().items()}
        return {f"label_error_{name}": np.asarray(part) for name, part in parts.items()}

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> "LabelError | None":
        """Read what `arrays` gave; None where there is nothing of it."""
        if "label_error_leverage" not in arrays:
            return None
        names = [name for name in cls._fields if name != "curvature"]
        leverage, scale, own, *law = (arrays[f"label_error_{name}"] for name in names)
        curvature = None
        if "label_error_curvature_mean" in arrays:
            bent = (arrays[f"label_error_curvature_{name}"] for name in Curvature._fields)
            curvature = Curvature(*bent)
        return cls(leverage, scale, own, *map(float, law), curvature)


def signal_to_noise(ivar: Float[Array, "star pixel"]) -> Float[np.ndarray, "star"]:
    """Root mean inverse variance of the measured pixels: the S/N of a continuum of one."""
    ivar = np.asarray(ivar)
    return np.sqrt(ivar.sum(axis=1, dtype=float) / np.maximum((ivar > 0).sum(axis=1), 1))


class Chi2Law(NamedTuple):
    """Reduced chi2 of good stars: ln chi2 = level + slope ln(S/N), with an upper sd `spread`.

    Where the model describes spectra less well than photons would allow, chi2 grows with S/N.
    """

    level: float
    slope: float
    spread: float

    @classmethod
    def of(cls, reduced: Float[np.ndarray, "star"], snr: Float[np.ndarray, "star"]) -> "Chi2Law":
        """Fit it to training stars; reduced chi2 and S/N per pixel must be positive."""
        x, y = np.log(snr), np.log(reduced)
        # equal S/N says nothing of a slope
        slope = max(np.polyfit(x, y, 1)[0], 0.0) if np.std(x) > 0.05 else 0.0
        left = y - slope * x
        level, high = np.quantile(left, [0.5, 0.975])
        return cls(float(level), float(slope), float(high - level) / float(norm.ppf(0.975)))

    def limit(self, quantile: float, snr: Float[Array, "star"]) -> Float[np.ndarray, "star"]:
        """Reduced chi2 that this share of good stars of such S/N stay below."""
        size = np.log(np.maximum(np.asarray(snr), 1e-6))
        return np.exp(self.level + self.slope * size + norm.ppf(quantile) * self.spread)

    def arrays(self) -> dict[str, np.ndarray]:
        """By the name that `of_arrays` knows."""
        return {"chi2_law": np.array(self)}

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> "Chi2Law | None":
        """Read what `arrays` gave; None where there is nothing of it."""
        return cls(*map(float, arrays["chi2_law"])) if "chi2_law" in arrays else None


class CoefficientNoise(NamedTuple):
    """Covariance of the coefficients of every pixel, nearly: `pixel`[p] times `feature`.

    It is small enough to travel with the model; in expectation over it a star's likelihood loses
    what noise in the coefficients would lend it.
    """

    pixel: Float[Array, "pixel"]
    feature: Float[Array, "feature feature"]

    @classmethod
    def of(cls, covariance: Float[np.ndarray, "pixel feature feature"]) -> "CoefficientNoise":
        """Nearest product, in relative terms: each pixel by its size, the shape by the mean."""
        size = np.einsum("pii->p", covariance)
        seen = size > 0
        shape = np.mean(covariance[seen] / size[seen, None, None], axis=0)
        inverse = np.linalg.pinv(shape, hermitian=True)
        along = np.einsum("pij,ij->p", covariance, inverse) / len(shape)
        return cls(along, shape)

    def arrays(self) -> dict[str, np.ndarray]:
        """Both parts, by names that `of_arrays` knows."""
        return {f"coefficient_noise_{k}": np.asarray(v) for k, v in self._asdict().items()}

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> "CoefficientNoise | None":
        """Read what `arrays` gave; None where there is nothing of it."""
        if "coefficient_noise_pixel" not in arrays:
            return None
        return cls(*(arrays[f"coefficient_noise_{name}"] for name in cls._fields))
