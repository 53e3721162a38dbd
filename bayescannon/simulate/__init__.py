"""Semi-synthetic sets with the parts of real data that are at hand."""

from bayescannon.simulate.quadratic import make_quadratic
from bayescannon.simulate.scenario import World
from bayescannon.simulate.stars import Made, make_apokasc, make_mock, with_published_ages

__all__ = [
    "Made",
    "World",
    "make_apokasc",
    "make_mock",
    "make_quadratic",
    "with_published_ages",
]
