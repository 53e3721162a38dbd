"""What the survey knows of a star beside its spectrum, on its way into the catalogue."""

import os
from typing import Any

import numpy as np

from bayescannon.errors import UserError
from bayescannon.spectra import Spectra, read_all_star
from bayescannon.spectra.survey import IDENTITY
from bayescannon.star_ids import match


def carried(star_id: Any, table: str | os.PathLike) -> dict[str, np.ndarray]:
    """Take what a survey's table knows of stars.

    Parameters
    ----------
    star_id : array of str (star,)
        Which stars; a further row of star X (`X#2`) takes what is known of X.
    table : path
        An allStar table of any release, or another table whose columns have such names.

    Returns
    -------
    dict of str to ndarray (star,)
        Those of `sdss_id`, `gaia_id`, `ra`, `dec` [deg], `field`, `telescope`, `snr`, `rv` [km/s]
        that the table has; -1, "" or NaN for a star that it lacks.

    Raises
    ------
    UserError
        If it is no such table, or holds none of the stars.
    """
    rows = read_all_star(table)
    place = match(rows["star_id"], star_id)
    if len(place) and (place < 0).all():
        raise UserError(
            f"{table}: holds none of the {len(place)} stars (the first is {star_id[0]!r}): "
            "its ids must be those of the spectra"
        )
    names = [name for name in IDENTITY if name in rows.colnames]
    return {name: _of_rows(np.ma.getdata(rows[name]), place) for name in names}


def _of_rows(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Values of rows, and of the last, which stands for none, where the place is -1."""
    none = {"U": "", "f": np.nan}.get(values.dtype.kind, -1)
    return np.append(values, np.asarray([none]).astype(values.dtype))[place]


def known_names(spectra: Spectra) -> tuple[str, ...]:
    """Name the columns to carry that a store of spectra has, and that say something of a star."""
    there = [name for name in IDENTITY if name in spectra.column_names]
    return tuple(name for name in there if _says_something(spectra.column(name)))


def _says_something(values: np.ndarray) -> bool:
    if values.dtype.kind == "f":
        return bool(np.isfinite(values).any())
    return bool((values != ("" if values.dtype.kind == "U" else -1)).any())
