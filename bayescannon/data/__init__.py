"""What the package ships, by name. Sources and licences are in NOTICE.md."""

import gzip
import json
import os
from functools import cache
from pathlib import Path

import numpy as np
from astropy.table import Table

from bayescannon.errors import UserError, reason

HERE = Path(__file__).parent


def model_path(name: str | Path) -> Path:
    """Return the folder of a model: a path, or the name of one that ships.

    Raises
    ------
    UserError
        If there is neither.
    """
    folder = or_shipped(name)
    if not (folder / "recipe.toml").is_file():
        known = ", ".join(shipped_models())
        raise UserError(f"{name}: neither a model folder nor a model that ships ({known})")
    return folder


def or_shipped(name: str | os.PathLike) -> Path:
    """Give a path as it is; where nothing is there, the folder of the shipped model so named."""
    given = Path(name).expanduser()
    return given if given.exists() else _shipped().get(os.fspath(name), given)


def shipped_models() -> dict[str, Path]:
    """Folders of the models that ship, by name; other folders hold a recipe only."""
    arrays = ("model.json", "states.npz")
    found = _shipped().items()
    return {name: path for name, path in found if any((path / file).is_file() for file in arrays)}


def _shipped() -> dict[str, Path]:
    # an installed wheel has the models inside the package, a checkout beside it
    roots = (HERE.parent / "models", HERE.parent.parent / "models")
    found = (path.parent for root in roots for path in sorted(root.glob("*/recipe.toml")))
    return {folder.name: folder for folder in found}


@cache
def element_windows() -> dict[str, np.ndarray]:
    """Windows and sensitivities of elements on the 7214-pixel grid, (pixel,) each."""
    with np.load(HERE / "element_windows.npz") as stored:
        return dict(stored)


@cache
def continuum_pixels(name: str = "the_payne") -> np.ndarray:
    """Positions of continuum pixels on the full 8575-pixel axis.

    Parameters
    ----------
    name : str
        `the_payne` (529 pixels), `ness2015_8575` (1831), `dr13_8575` (2499), or a text file
        with one position a line, as `bayescannon continuum-pixels` writes it.

    Raises
    ------
    UserError
        If it is neither, or the file holds something else.
    """
    with np.load(HERE / "continuum_pixels.npz") as stored:
        if name in stored:
            return stored[name]
        known = ", ".join(stored)
    if not Path(name).is_file():
        raise UserError(
            f"key 'pixels.continuum' is {name!r}: neither a file nor one of the lists {known}"
        )
    try:
        found = np.loadtxt(name, dtype=int, ndmin=1, encoding="utf-8-sig")
    except ValueError as error:
        raise UserError(f"{name}: not a list of pixel positions ({reason(error)})") from error
    if found.ndim != 1 or not found.size or found.min() < 0 or found.max() >= 8575:
        raise UserError(f"{name}: give one pixel position, 0 to 8574, a line")
    return found


def apokasc() -> Table:
    """The 1639 Kepler giants: real labels, seismic masses, [C/M], [N/M] and states."""
    return Table.read(HERE / "apokasc.ecsv")


def lines() -> Table:
    """Identified lines of a giant's H band: vacuum wavelength [Angstrom] and species."""
    return Table.read(HERE / "lines.ecsv")


@cache
def absolute_magnitude() -> dict:
    """Coefficients of the absolute H magnitude, made by `scripts/build_absolute_magnitude.py`."""
    return json.loads((HERE / "absolute_magnitude.json").read_text(encoding="utf-8"))


@cache
def clump_ids() -> np.ndarray:
    """2MASS ids of the 19,937 stars of the DR12 red-clump sample."""
    with gzip.open(HERE / "clump_ids.txt.gz", "rt", encoding="ascii") as file:
        return np.array(file.read().split())
