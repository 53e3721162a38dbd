"""The isochrone grid on disk: one Zarr store, free of dates and names of machines."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import xarray as xr

from bayescannon.errors import UserError
from bayescannon.files import output
from bayescannon.marks import GRID

FORMAT = 1
_AXES = ("logg", "mh", "log_age")


def save_grid(path, arrays: dict[str, np.ndarray], info: dict, overwrite: bool = False) -> None:
    """Write a grid; the same grid always gives the same bytes.

    Parameters
    ----------
    path : path of the Zarr store.
    arrays : the axes `logg`, `mh`, `log_age`, and tables on the last of them.
    info : what else is known of the grid; as JSON can hold it.
    overwrite : whether to replace a grid that is there; nothing else is ever replaced.

    Raises
    ------
    UserError
        If something else is there, or nothing may be written there.
    """
    data = {}
    for name, array in arrays.items():
        dims = (name,) if name in _AXES else _AXES[-array.ndim :]
        data[name] = (dims, array)
    attrs = {"format": FORMAT, "info": json.dumps(info, sort_keys=True)}
    with output(path, GRID, overwrite) as beside:
        xr.Dataset(data, attrs=attrs).to_zarr(beside, consolidated=False, zarr_format=3)


def open_grid(path, names: Iterable[str]) -> tuple[dict[str, np.ndarray], dict]:
    """Read the arrays of these names, and the info, of a grid that `save_grid` wrote.

    Parameters
    ----------
    path : path of a Zarr store.
    names : which arrays it must hold.

    Raises
    ------
    UserError
        When there is no store, it holds something else, it is damaged, or its format is newer.
    """
    path = Path(str(path))
    if not path.is_dir():
        raise UserError(f"{path}: there is no isochrone grid here; build one, or give its folder")
    try:
        with xr.open_zarr(path, consolidated=False) as store:
            data = store.load()
        version = int(data.attrs["format"])
        info = json.loads(data.attrs["info"])
        arrays = {} if version > FORMAT else {name: data[name].to_numpy() for name in names}
    except Exception as error:
        reason = " ".join(str(error).split())[:80]
        raise UserError(
            f"{path}: is not a whole isochrone grid ({reason}); build it again"
        ) from error
    if version > FORMAT:
        raise UserError(
            f"{path}: has grid format {version}, this version reads up to {FORMAT}; "
            "upgrade bayescannon or build the grid again"
        )
    return arrays, info
