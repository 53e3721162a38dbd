"""Room 7: ages from masses, by isochrones. Nothing is clipped."""

from .draws import salaris
from .grid import Parsec
from .posterior import AGE_PRIORS, age_density
from .run import infer_ages

__all__ = ["AGE_PRIORS", "Parsec", "age_density", "infer_ages", "salaris"]
