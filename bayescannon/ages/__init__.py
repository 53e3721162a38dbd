"""Ages from masses, by isochrones. Nothing is clipped."""

from bayescannon.ages.draws import salaris
from bayescannon.ages.grid import Parsec
from bayescannon.ages.posterior import AGE_PRIORS, age_density
from bayescannon.ages.run import infer_ages

__all__ = ["AGE_PRIORS", "Parsec", "age_density", "infer_ages", "salaris"]
