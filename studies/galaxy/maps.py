"""Maps of ages: stars sorted into cells of two coordinates, and the age distribution of each cell.

Every cell is inferred from the age draws of all its stars at once (`ages.population`), not from
one age per star: an uncertain star says little, and a cell knows how well it is known.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from bayescannon.ages.population import infer_population

LEAST = 20
"""Cells with fewer stars are marked, not filled."""


class Cells(NamedTuple):
    """Stars sorted into cells.

    `number` (x, y) counts the cells that have enough stars, -1 elsewhere; `cell` (star,) is the
    number of a star's cell, or -1.
    """

    x_edges: Float[np.ndarray, "x_edge"]
    y_edges: Float[np.ndarray, "y_edge"]
    count: Int[np.ndarray, "x y"]
    number: Int[np.ndarray, "x y"]
    cell: Int[np.ndarray, "star"]

    @property
    def n_cell(self) -> int:
        """How many cells have enough stars."""
        return int(self.number.max(initial=-1)) + 1

    def spread(self, values: Float[np.ndarray, "cell"]) -> Float[np.ndarray, "x y"]:
        """Put one value per filled cell in its place; NaN where there are few stars."""
        padded = np.append(np.asarray(values, float), np.nan)
        return padded[self.number]


def sort_into_cells(
    x: np.ndarray, y: np.ndarray, x_edges: np.ndarray, y_edges: np.ndarray, least: int = LEAST
) -> Cells:
    """Sort stars into cells.

    Parameters
    ----------
    x, y : (star,)
        Coordinates; a star with a NaN is in no cell.
    x_edges, y_edges : (edge,)
        Increasing.
    least : int
        Cells with fewer stars get no number.
    """
    i, j = (
        np.where(np.isfinite(v) & (v < edges[-1]), np.searchsorted(edges, v, side="right") - 1, -1)
        for v, edges in ((x, x_edges), (y, y_edges))
    )
    shape = len(x_edges) - 1, len(y_edges) - 1
    inside = (i >= 0) & (j >= 0)
    count = np.zeros(shape, int)
    np.add.at(count, (i[inside], j[inside]), 1)
    enough = count >= max(least, 1)
    number = np.where(enough, np.cumsum(enough.ravel()).reshape(shape) - 1, -1)
    return Cells(x_edges, y_edges, count, number, np.where(inside, number[i, j], -1))


class AgeMap(NamedTuple):
    """Ages of the stars in each cell; arrays (x, y), NaN where there are few stars.

    `low` and `high` are the ends of the central 95 % interval of the median.
    """

    cells: Cells
    median: Float[np.ndarray, "x y"]
    """Median age of the cell's stars [Gyr]."""
    low: Float[np.ndarray, "x y"]
    high: Float[np.ndarray, "x y"]
    error: Float[np.ndarray, "x y"]
    """Half the 68 % interval of log10 of the median [dex]."""
    young: Float[np.ndarray, "x y"]
    """Share of stars younger than 5 Gyr."""
    young_error: Float[np.ndarray, "x y"]
    """Half the 68 % interval of that share."""


def age_map(
    likelihood: Float[np.ndarray, "star bin"],
    cells: Cells,
    shared: Float[np.ndarray, "cell"] | float = 0.0,
    seed: int = 0,
) -> AgeMap:
    """Infer the ages of the stars of each cell.

    Parameters
    ----------
    likelihood : (star, bin)
        From `ages.age_likelihood`.
    cells : Cells
    shared : float or (cell,)
        Error of log10 age that all stars of a cell share [dex]; see `infer_population`.
    seed : int
    """
    if cells.n_cell == 0:
        empty = np.full(cells.count.shape, np.nan)
        return AgeMap(cells, *[empty] * 6)
    ages = infer_population(likelihood, cells.cell, shared=shared, seed=seed)
    levels = np.array([0.025, 0.16, 0.5, 0.84, 0.975])
    low, minus, median, plus, high = np.quantile(ages.star_median, levels, axis=1)
    _, y_minus, young, y_plus, _ = np.quantile(ages.star_young, levels, axis=1)
    values = (median, low, high, np.log10(plus / minus) / 2, young, (y_plus - y_minus) / 2)
    return AgeMap(cells, *(cells.spread(v) for v in values))


def median_of_cells(values: np.ndarray, cells: Cells) -> np.ndarray:
    """Median of a known value, such as a true age, over each cell's stars, (x, y)."""
    found = [np.nanmedian(values[cells.cell == i]) for i in range(cells.n_cell)]
    return cells.spread(np.array(found))
