"""The posterior of many stars as an `xarray.DataTree` in ArviZ's groups."""

import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import xarray as xr
import zarr

from bayescannon.errors import UserError, reason
from bayescannon.marks import MARK_OF_STORES
from bayescannon.model.by_state import AnyModel
from bayescannon.model.card import verdict_of
from bayescannon.trees import array


class Block(NamedTuple):
    """What inference gives for a block of stars, all in label units."""

    draws: np.ndarray  # (star, chain, draw, label)
    log_prior: np.ndarray  # (star, chain, draw)
    log_likelihood: np.ndarray  # (star, chain, draw)
    best: np.ndarray  # (star, label)
    mean: np.ndarray  # (star, label)
    cov: np.ndarray  # (star, label, label)
    per_star: dict[str, np.ndarray]  # name -> (star,)
    rc: np.ndarray | None = None  # (star, chain, draw): of a clump star; None of a single model


def attributes(model: AnyModel, method: str, prior: str, seed: int) -> dict:
    """Say what made a posterior, enough to make it again, in values that netCDF can hold."""
    packages = ("bayescannon", "jax", "numpyro", "numpy")
    return {
        "model": model.name,
        "model_id": model.id,
        "certificate": verdict_of(model.certificate),
        "labels": list(model.labels),
        "method": method,
        "prior": prior,
        "seed": seed,
        "versions": [f"{name} {version(name)}" for name in packages],
    }


def to_datatree(block: Block, star_id: np.ndarray, attrs: dict) -> xr.DataTree:
    """Arrange arrays in the groups `posterior`, `sample_stats` and `point`."""
    labels = attrs["labels"]
    chain, draw = (np.arange(n) for n in block.draws.shape[1:3])
    sampled = ("chain", "draw", "star")
    coords = {"chain": chain, "draw": draw, "star": np.asarray(star_id, str)}
    draws = np.moveaxis(block.draws, 0, 2)
    posterior = xr.Dataset(
        {name: (sampled, draws[..., i]) for i, name in enumerate(labels)}, coords=coords
    )
    of_draws = {"log_prior": block.log_prior, "log_likelihood": block.log_likelihood}
    of_draws |= {} if block.rc is None else {"rc": block.rc}
    stats = xr.Dataset(
        {name: (sampled, np.moveaxis(values, 0, 2)) for name, values in of_draws.items()}
        | {name: ("star", values) for name, values in block.per_star.items()},
        coords=coords,
    )
    point = xr.Dataset(
        {
            "map": (("star", "parameter"), block.best),
            "mean": (("star", "parameter"), block.mean),
            "cov": (("star", "parameter", "parameter_2"), block.cov),
        },
        coords={"star": coords["star"], "parameter": labels, "parameter_2": labels},
    )
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats, "point": point})
    tree.attrs = attrs
    return tree


def stack_draws(post: xr.DataTree, names: Sequence[str]) -> np.ndarray:
    """Give all draws of some labels as one array (draw, star, label), chains joined."""
    draws = np.stack([array(post, f"posterior/{name}") for name in names], axis=-1)
    return draws.reshape(-1, *draws.shape[2:])


class TreeWriter:
    """Write blocks of stars to a Zarr store that was made in its full size.

    Draws are stored as they are: their last digits are noise, which no codec makes shorter. A
    chunk holds the stars of one block, so that several processes may write at once. xarray's
    `to_zarr(region=...)` gives the same bytes, but opens the store anew for every group: it took
    0.65 s where this takes 0.42 s for 1024 stars.

    Parameters
    ----------
    path : path
        Store that `create` made.
    """

    def __init__(self, path: Path) -> None:
        root = zarr.open_group(path, mode="r+", use_consolidated=False)
        self.arrays = {
            f"{group}/{name}": stored
            for group, node in root.groups()
            for name, stored in node.arrays()
        }

    @classmethod
    def create(cls, path: Path, block: xr.DataTree, star_id: np.ndarray) -> "TreeWriter":
        """Make a store for stars of these names, with the layout of a full block."""
        xr.DataTree(xr.Dataset(attrs=block.attrs)).to_zarr(path, mode="w", consolidated=False)
        names = np.asarray(star_id, str)
        for group, node in block.children.items():
            data = node.to_dataset()
            encoding = {str(name): _encoding(data, name) for name in data.variables}
            data = data.assign_coords(star=data.star.values.astype(names.dtype))
            data.to_zarr(path, group=group, mode="a", consolidated=False, encoding=encoding)
            store = zarr.open_group(path, path=group, mode="r+")
            for name, stored in store.arrays():
                dims = data[name].sizes
                stored.resize(tuple(len(names) if d == "star" else n for d, n in dims.items()))
            cast(zarr.Array, store["star"])[:] = names
        return cls(path)

    def write(self, tree: xr.DataTree, start: int) -> None:
        """Put a block in its place, `start` stars from the first."""
        for group, node in tree.children.items():
            data = node.to_dataset()
            rows = slice(start, start + data.sizes["star"])
            for name, values in data.variables.items():
                if "star" in values.dims and name != "star":
                    at = tuple(rows if dim == "star" else slice(None) for dim in values.dims)
                    self.arrays[f"{group}/{name}"][at] = values.values


def _encoding(data: xr.Dataset, name) -> dict[str, Any]:
    chunk = {"chunks": tuple(max(n, 1) for n in data[name].shape)}
    return chunk if name in data.coords else chunk | {"compressors": None}


def open_posterior(path: str | os.PathLike) -> xr.DataTree:
    """Open a store that `infer(..., out=path)` wrote; arrays load when they are used.

    Raises
    ------
    UserError
        If it is no posterior store.
    """
    if not Path(path).is_dir():
        raise UserError(f"{path}: no such posterior store; make one with `bayescannon infer`")
    try:
        tree = xr.open_datatree(path, engine="zarr", chunks=None, consolidated=False)
    except (ValueError, KeyError, OSError) as error:
        raise UserError(f"{path}: not a posterior store ({reason(error)})") from error
    if "posterior" not in tree.children:
        raise UserError(f"{path}: a Zarr store, but it holds no group 'posterior'")
    tree.attrs.pop(MARK_OF_STORES, None)  # says whose store it is, not what made the draws
    return tree


def as_posterior(sampled: dict[str, np.ndarray], star_id, log_prior=None) -> xr.DataTree:
    """Arrange draws (chain, draw, star) as `infer` would; the label prior is flat unless given."""
    dims, first = ("chain", "draw", "star"), next(iter(sampled.values()))
    coords = {"star": np.asarray(star_id).astype(str)}
    log_prior = np.zeros(first.shape) if log_prior is None else log_prior
    posterior = xr.Dataset({name: (dims, draws) for name, draws in sampled.items()}, coords)
    stats = xr.Dataset({"log_prior": (dims, log_prior)}, coords)
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})
