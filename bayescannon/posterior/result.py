"""The posterior of many stars as an `xarray.DataTree` in ArviZ's groups."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayescannon.calibration import verdict_of
from bayescannon.model.by_state import AnyModel
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
    per_draw: dict[str, np.ndarray]  # name -> (star, chain, draw)


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
    of_draws |= block.per_draw
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


def as_posterior(sampled: dict[str, np.ndarray], star_id, log_prior=None) -> xr.DataTree:
    """Arrange draws (chain, draw, star) as `infer` would; the label prior is flat unless given."""
    dims, first = ("chain", "draw", "star"), next(iter(sampled.values()))
    coords = {"star": np.asarray(star_id).astype(str)}
    log_prior = np.zeros(first.shape) if log_prior is None else log_prior
    posterior = xr.Dataset({name: (dims, draws) for name, draws in sampled.items()}, coords)
    stats = xr.Dataset({"log_prior": (dims, log_prior)}, coords)
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats})
