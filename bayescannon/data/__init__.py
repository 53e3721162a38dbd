"""What the package ships, by name. Sources and licences are in NOTICE.md."""

from functools import cache
from pathlib import Path

import numpy as np
from astropy.table import Table

from ..errors import UserError

HERE = Path(__file__).parent


def model_path(name: str | Path) -> Path:
    """Return the folder of a model: a path, or the name of one that ships.

    Raises
    ------
    UserError
        If there is neither.
    """
    given = Path(name)
    # an installed wheel has the models inside the package, a checkout beside it
    roots = (HERE.parent / "models", HERE.parent.parent / "models")
    for folder in (given, *(root / given.name for root in roots)):
        if (folder / "recipe.toml").is_file():
            return folder
    raise UserError(f"{name}: neither a model folder nor the name of a shipped model")


@cache
def element_windows() -> dict[str, np.ndarray]:
    """Windows and sensitivities of elements on the 7214-pixel grid, (pixel,) each."""
    with np.load(HERE / "element_windows.npz") as stored:
        return dict(stored)


@cache
def continuum_pixels(name: str = "the_payne") -> np.ndarray:
    """Positions of continuum pixels on the full 8575-pixel axis.

    `the_payne` (529 pixels), `ness2015_8575` or `dr13_8575`.
    """
    with np.load(HERE / "continuum_pixels.npz") as stored:
        return stored[name]


def apokasc() -> Table:
    """The 1639 Kepler giants: real labels, seismic masses, [C/M], [N/M] and states."""
    return Table.read(HERE / "apokasc.ecsv")


def lines() -> Table:
    """Identified lines of a giant's H band: vacuum wavelength [Angstrom] and species."""
    return Table.read(HERE / "lines.ecsv")
