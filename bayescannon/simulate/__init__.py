"""Semi-synthetic sets with the parts of real data that are at hand."""

from .made import Made, make_apokasc, make_mock, with_published_ages
from .quadratic import make_quadratic
from .world import World

__all__ = ["Made", "World", "make_apokasc", "make_mock", "make_quadratic", "with_published_ages"]
