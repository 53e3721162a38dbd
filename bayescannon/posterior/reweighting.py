"""Another prior for posteriors that are already there: no spectrum is touched."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from bayescannon.errors import UserError
from bayescannon.flags import Flag
from bayescannon.keys import star_generator
from bayescannon.posterior.importance import systematic
from bayescannon.posterior.methods import USABLE_ESS
from bayescannon.precision import numpyro_rules, require_float64
from bayescannon.trees import array


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

    Raises
    ------
    UserError
        If the new prior cannot be used.
    """
    require_float64()
    names = [str(name) for name in array(post, "point/parameter")]
    stats = post["sample_stats"].to_dataset()
    draws = np.stack([array(post, f"posterior/{name}") for name in names], axis=-1)
    log_new = _log_density(new_prior, draws, names)
    log_weight = log_new - stats["log_prior"].values
    shape = log_weight.shape
    log_weight = log_weight.reshape(-1, shape[-1])
    highest = np.max(log_weight, axis=0)
    weight = np.exp(log_weight - np.where(np.isfinite(highest), highest, 0.0))
    total = weight.sum(axis=0)
    weight = np.divide(weight, total, out=np.full_like(weight, np.nan), where=total > 0)
    share = 1.0 / (len(weight) * (weight**2).sum(axis=0))
    chosen = _resample(weight, stats["star"].values, seed)

    def pick(values: xr.DataArray) -> xr.DataArray:
        values = values.transpose("chain", "draw", "star")
        flat = values.values.reshape(-1, shape[-1])
        kept = np.where(np.isfinite(share), np.take_along_axis(flat, chosen, axis=0), np.nan)
        return values.copy(data=kept.reshape(shape))

    posterior = post["posterior"].to_dataset().map(pick)
    new = stats.assign(log_prior=(("chain", "draw", "star"), log_new))
    of_draws = [name for name in ("log_prior", "log_likelihood", "rc") if name in new]
    new = new.assign({name: pick(new[name]) for name in of_draws})
    if "rc" in new:
        new = new.assign(p_rc=new["rc"].mean(("chain", "draw")))
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
