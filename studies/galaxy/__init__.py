"""Where stars are in the Galaxy: positions, photometric distances, cells of a map."""

from studies.galaxy.distance import absolute_h, extinction_h, photometric_distance
from studies.galaxy.maps import AgeMap, Cells, age_map, median_of_cells, sort_into_cells
from studies.galaxy.position import coordinates_of_id, galactocentric

__all__ = [
    "AgeMap",
    "Cells",
    "absolute_h",
    "age_map",
    "coordinates_of_id",
    "extinction_h",
    "galactocentric",
    "median_of_cells",
    "photometric_distance",
    "sort_into_cells",
]
