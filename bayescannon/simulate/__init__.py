"""Semi-synthetic sets with the parts of real data that are at hand."""

from .made import Made, make_apokasc, make_mock
from .quadratic import make_quadratic

__all__ = ["Made", "make_apokasc", "make_mock", "make_quadratic"]
