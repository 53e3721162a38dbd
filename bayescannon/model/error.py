"""What a model knows of its own errors: in label space, and in its coefficients."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from bayescannon.typing import Array


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
    """

    leverage: Float[Array, "feature feature"]
    scale_covariance: Float[Array, "label label"]
    covariance: Float[Array, "label label"]
    degrees: float = np.inf
    growth: float = 0.0
    typical: float = 1.0
    shared: float = 0.0

    @property
    def model_covariance(self) -> Float[np.ndarray, "label label"]:
        """Covariance of the second error, tails included, at the typical leverage."""
        tails = self.degrees / (self.degrees - 2.0) if np.isfinite(self.degrees) else 1.0
        return tails * np.asarray(self.covariance)

    def arrays(self) -> dict[str, np.ndarray]:
        """All parts, by names that `of_arrays` knows."""
        return {f"label_error_{name}": np.asarray(part) for name, part in self._asdict().items()}

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> "LabelError | None":
        """Read what `arrays` gave; None where there is nothing of it."""
        if "label_error_leverage" not in arrays:
            return None
        leverage, scale, own, *law = (arrays[f"label_error_{name}"] for name in cls._fields)
        return cls(leverage, scale, own, *map(float, law))


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
