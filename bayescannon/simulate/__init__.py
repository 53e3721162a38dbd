"""Semi-synthetic sets with the parts of real data that are at hand."""

from .galaxy import MockGalaxy, make_galaxy
from .made import Made, make_apokasc, make_mock, with_published_ages
from .quadratic import make_quadratic
from .world import World

__all__ = [
    "Made",
    "MockGalaxy",
    "World",
    "make_apokasc",
    "make_galaxy",
    "make_mock",
    "make_quadratic",
    "with_published_ages",
]
