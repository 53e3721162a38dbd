"""Shapes by name, for the signatures of the numerical modules (checked by beartype in tests)."""

import jax
import numpy as np
from jaxtyping import Float

Array = jax.Array | np.ndarray

Scalar = Float[Array, ""]
Stars = Float[Array, "star"]
Pixels = Float[Array, "pixel"]
StarPixels = Float[Array, "star pixel"]
Labels = Float[Array, "*batch label"]
StarLabels = Float[Array, "star label"]
Features = Float[Array, "*batch feature"]
StarFeatures = Float[Array, "star feature"]
Coefficients = Float[Array, "pixel feature"]
Factors = Float[Array, "pixel factor"]
