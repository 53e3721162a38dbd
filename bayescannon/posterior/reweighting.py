"""Another prior for posteriors that are already there: no spectrum is touched."""

import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from bayescannon.errors import DataWarning, UserError, plural
from bayescannon.flags import Flag
from bayescannon.keys import star_generator
from bayescannon.posterior.by_state import CLASSIFIED
from bayescannon.posterior.importance import systematic
from bayescannon.posterior.methods import USABLE_ESS
from bayescannon.posterior.psis import smooth_weights
from bayescannon.precision import numpyro_rules, require_float64
from bayescannon.trees import array

FEW = 0.1
"""Share of effective draws below which a warning is given."""


def reweight(post: xr.DataTree, new_prior, seed: int = 0) -> xr.DataTree:
    """Divide the prior out of a posterior's draws, put in another, and resample every star.

    Parameters
    ----------
    post : xarray.DataTree
        Of `infer`; its draws carry their `log_prior`.
    new_prior : "flat" or a NumPyro distribution
        `flat` is constant everywhere: the draws' own reach bounds it. A distribution has event
        shape (label,), in label units.
    seed : int
        Together with each star's name it fixes which draws are kept.

    Returns
    -------
    xarray.DataTree
        As `post`, with as many draws; `sample_stats/ess` is what is left of it, and `LOW_ESS` is
        raised where that is below a tenth of the draws. `attrs` name the new prior and the old.
        Weights are Pareto-smoothed; a state that a classifier told keeps its probability.

    Raises
    ------
    UserError
        If the new prior cannot be used.

    Warns
    -----
    DataWarning
        Where less than a tenth of the draws is left.
    """
    require_float64()
    names = [str(name) for name in array(post, "point/parameter")]
    labels, stats = _widest(post)
    draws = np.stack([labels[name].values for name in names], axis=-1)
    log_new = _log_density(new_prior, draws, names)
    log_weight = log_new - stats["log_prior"].values
    shape = log_weight.shape
    log_weight = log_weight.reshape(-1, shape[-1])
    weight = np.exp(np.asarray(_smoothed(jnp.asarray(log_weight.T))[0])).T
    if post.attrs.get("states") == CLASSIFIED:
        weight = _keep_state(weight, stats["rc"].values.reshape(weight.shape))
    share = 1.0 / (len(weight) * (weight**2).sum(axis=0))
    _warn(share)
    chosen = _resample(weight, stats["star"].values, seed)

    def pick(values: xr.DataArray) -> xr.DataArray:
        values = values.transpose("chain", "draw", "star")
        flat = values.values.reshape(-1, shape[-1])
        kept = np.where(np.isfinite(share), np.take_along_axis(flat, chosen, axis=0), np.nan)
        return values.copy(data=kept.reshape(shape))

    posterior = labels.map(pick)
    new = stats.assign(log_prior=(("chain", "draw", "star"), log_new))
    of_draws = [name for name in ("log_prior", "log_likelihood", "rc") if name in new]
    new = new.assign({name: pick(new[name]) for name in of_draws})
    if "rc" in new:
        in_clump = stats["rc"].values.reshape(weight.shape)
        new = new.assign(p_rc=("star", np.sum(weight * in_clump, axis=0)))
    # a method that does not know its effective size drew independently
    ess = np.where(np.isnan(stats["ess"]), len(weight), stats["ess"]) * share
    low = ~(ess >= USABLE_ESS * len(weight)) & np.isfinite(stats["chi2"].values)
    flags = stats["flags"].values & ~np.int64(Flag.LOW_ESS) | np.where(low, int(Flag.LOW_ESS), 0)
    new = new.assign(ess=("star", ess), flags=("star", flags))
    tree = xr.DataTree.from_dict(
        {"posterior": posterior, "sample_stats": new, "point": _moments(post, posterior, names)}
    )
    name = new_prior if isinstance(new_prior, str) else f"user: {type(new_prior).__name__}"
    tree.attrs = post.attrs | {
        "prior": name,
        "reweighted_from": post.attrs["prior"],
        "reweight_seed": seed,
    }
    return tree


def _widest(post: xr.DataTree) -> tuple[xr.Dataset, xr.Dataset]:
    """Labels and `sample_stats`; draws under a flat prior in place of others, where there are."""
    labels, stats = post["posterior"].to_dataset(), post["sample_stats"].to_dataset()
    flat = [str(name) for name in stats.data_vars if str(name).startswith("flat_")]
    found = {name.removeprefix("flat_"): stats[name] for name in flat}
    labels = labels.assign({name: values for name, values in found.items() if name in labels})
    stats = stats.drop_vars(flat)
    return labels, stats.assign({k: v for k, v in found.items() if k in stats})


_smoothed = jax.jit(jax.vmap(smooth_weights))
"""Normalised and Pareto-smoothed ln weights (star, draw), and k-hat."""


def _keep_state(weight: np.ndarray, rc: np.ndarray) -> np.ndarray:
    """Weights (draw, star) that leave each state the share of draws it had: a prior of labels says
    nothing of a state that a classifier told."""
    out = np.zeros_like(weight)
    for of_state in (rc, ~rc):
        total = np.where(of_state, weight, 0.0).sum(axis=0)
        share = of_state.mean(axis=0) / np.where(total > 0, total, 1.0)
        out += np.where(of_state, weight * share, 0.0)
    return out


def _warn(share: np.ndarray) -> None:
    few = int(np.sum(share < FEW))
    if few:
        stars = plural(few, "star")
        warnings.warn(
            f"{stars} of {len(share)}: the new prior leaves less than {FEW:.0%} of the draws; "
            "infer under it instead",
            DataWarning,
            stacklevel=3,
        )


def _log_density(prior, draws: np.ndarray, names: list[str]) -> np.ndarray:
    """Log density of (..., label) in label units, up to a constant."""
    if isinstance(prior, str):
        if prior != "flat":
            raise UserError(f"prior {prior!r} is unknown here: 'flat' or a NumPyro distribution")
        return np.zeros(draws.shape[:-1])
    if getattr(prior, "event_shape", None) != (len(names),):
        raise UserError(
            f"prior must be 'flat' or a NumPyro distribution with event shape {(len(names),)} "
            f"(labels {', '.join(names)}), not {prior!r}"
        )
    with numpyro_rules():
        return np.asarray(prior.log_prob(jnp.asarray(draws)))


def _resample(weight: np.ndarray, star_id: np.ndarray, seed: int) -> np.ndarray:
    """Systematic resampling of (draw, star): positions, in random order."""
    rngs = [star_generator(seed, str(name)) for name in star_id]
    shift = jnp.asarray([rng.uniform() for rng in rngs])
    choose = jax.vmap(partial(systematic, draws=len(weight)))
    rising = np.asarray(choose(jnp.asarray(weight.T), shift))
    return np.stack([rng.permutation(row) for rng, row in zip(rngs, rising, strict=True)], axis=1)


def _moments(post: xr.DataTree, posterior: xr.Dataset, names: list[str]) -> xr.Dataset:
    """Mean and covariance of the new draws; the old maximum no longer is one."""
    draws = np.stack([posterior[name].values for name in names], axis=-1)
    draws = np.moveaxis(draws.reshape(-1, *draws.shape[2:]), 1, 0)
    mean = draws.mean(axis=1)
    away = draws - mean[:, None]
    cov = np.swapaxes(away, 1, 2) @ away / (draws.shape[1] - 1)
    point = post["point"].to_dataset()
    return point.assign(
        map=(point["map"].dims, np.full(mean.shape, np.nan)),
        mean=(point["mean"].dims, mean),
        cov=(point["cov"].dims, cov),
    )
