"""Where stars are in the Galaxy: positions, photometric distances, cells of a map."""

from .distance import absolute_h, extinction_h, photometric_distance
from .position import coordinates_of_id, galactocentric

__all__ = [
    "absolute_h",
    "coordinates_of_id",
    "extinction_h",
    "galactocentric",
    "photometric_distance",
]
