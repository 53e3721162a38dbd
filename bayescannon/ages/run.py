"""`infer_ages`: posteriors of mass and metallicity in, posteriors of age out."""

from __future__ import annotations

import hashlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from ..errors import UserError
from ..flags import Flag, combine
from ..keys import star_keys
from .grid import Parsec
from .posterior import (
    AGE_PRIORS,
    AgeDensity,
    AgePrior,
    MassDraws,
    age_density,
    quantiles,
    state_tables,
)

STARS_PER_BLOCK = 1024
LEVELS = (0.025, 0.16, 0.5, 0.84, 0.975)
QUANTITIES = ("age", "age_rgb", "age_rc")
MANY = 0.05


def salaris(feh, afe):
    """[M/H] of an alpha-enhanced mixture: [Fe/H] + log10(0.638 * 10^[a/Fe] + 0.362).

    Salaris et al. (1993, ApJ 414, 580). Arrays of any common shape, dex.
    """
    return feh + np.log10(0.638 * 10**afe + 0.362)


def infer_ages(
    post: xr.DataTree,
    grid: Parsec | None = None,
    prior: AgePrior = "flat-age",
    p_rc: float | np.ndarray | None = None,
    seed: int | None = None,
) -> xr.DataTree:
    """Turn posteriors of ln mass into posteriors of age.

    Parameters
    ----------
    post : xarray.DataTree
        From `infer`: `posterior` with `ln_mass` [ln Msun] and `feh` [dex], and where they are
        labels `afe` [dex] and `logg` [dex]; `sample_stats/log_prior` is divided out.
    grid : Parsec, optional
        Isochrone grid; the shipped PARSEC v1.2S one by default.
    prior : {"flat-age", "flat-log-age", "flat-log-mass", "population"}
        Prior on age; see `age_density`.
    p_rc : float or array (star,), optional
        Probability that a star burns helium in its core (red clump); 0.5 by default.
    seed : int, optional
        For the age draws; that of `post` by default.

    Returns
    -------
    xarray.DataTree
        `posterior/age`, `age_rgb`, `age_rc` (chain, draw, star) [Gyr]: states mixed, and each
        state alone; `point/quantile` (quantity, level, star), `mean`, `std` (quantity, star)
        [Gyr]; `sample_stats`: `p_rc` (as given), `p_trunc`, `p_extrapolated`, `flags` (star,).

    Raises
    ------
    UserError
        If a needed label is missing, or the prior is unknown. A bad star is flagged, its ages NaN.
    """
    grid = Parsec.default() if grid is None else grid
    if prior not in AGE_PRIORS:
        raise UserError(f"age prior {prior!r} is unknown: use one of {', '.join(AGE_PRIORS)}")
    labels = post["posterior"].to_dataset()
    for name in ("ln_mass", "feh"):
        if name not in labels:
            raise UserError(f"the posterior has no label {name!r}, which an age needs")
    n_star = labels.sizes["star"]
    p_rc = np.broadcast_to(np.asarray(0.5 if p_rc is None else p_rc, float), (n_star,))
    seed = int(post.attrs.get("seed", 0)) if seed is None else seed
    tables = {state: state_tables(grid, state) for state in ("rgb", "rc")}
    log_prior = post["sample_stats"]["log_prior"]
    results = []
    for start in range(0, max(n_star, 1), STARS_PER_BLOCK):
        rows = slice(start, start + STARS_PER_BLOCK)
        block = labels.isel(star=rows)
        results.append(
            _one_block(
                block, log_prior.isel(star=rows).values, p_rc[rows], tables, prior, grid, seed
            )
        )
    attrs = {
        "prior": prior,
        "grid": {**{k: grid.info[k] for k in ("family", "eta")}, "id": _grid_id(grid)},
        "seed": seed,
        "post": dict(post.attrs),
    }
    return _tree(results, labels.star.values, attrs)


def _one_block(block, log_prior, p_rc, tables, prior, grid, seed) -> dict[str, np.ndarray]:
    n_star = block.sizes["star"]
    raw = _flatten(block, log_prior)
    finite = np.isfinite(np.stack([a.sum(axis=1) for a in raw.values()])).all(axis=0)
    allowed = (p_rc >= 0) & (p_rc <= 1)
    inside = (raw["mh"] >= grid.mh[0]) & (raw["mh"] <= grid.mh[-1])
    good = finite & allowed & (inside.mean(axis=1) > 0.5)
    draws, p = _mass_draws(raw, good, grid), jnp.asarray(_pad(np.where(good, p_rc, 0.5)))
    per_state = {state: age_density(draws, tables[state], prior) for state in tables}
    names = np.concatenate([block.star.values, np.full(STARS_PER_BLOCK - n_star, "padding")])
    x = tables["rgb"].log_mass.x
    n_draw = raw["mh"].shape[1]
    out = _combine(per_state["rgb"], per_state["rc"], p, star_keys(seed, names), x, n_draw)
    out = {name: np.array(values)[:n_star] for name, values in out.items()}

    last = np.asarray(x) > np.log10(grid.last_age)
    extrapolated = out.pop("density")[:, last].sum(axis=1)
    lost = ~good | (out.pop("supported") == 0)
    for name in ("draws", "quantile", "mean", "std", "p_trunc"):
        out[name][lost] = np.nan
    raised = {
        Flag.NO_AGE: lost,
        Flag.BAD_P_RC: ~allowed,
        Flag.OFF_GRID: finite & (inside.mean(axis=1) < 1 - MANY),
        Flag.AGE_TRUNCATED: out["p_trunc"] > MANY,
        Flag.AGE_EXTRAPOLATED: ~lost & (extrapolated > MANY),
    }
    return out | {
        "p_extrapolated": np.where(lost, np.nan, extrapolated),
        "flags": combine(raised),
        "p_rc": p_rc,
    }


def _flatten(block: xr.Dataset, log_prior: np.ndarray) -> dict[str, np.ndarray]:
    """Give each quantity as (star, draw), chains joined."""

    def flat(values):
        return np.asarray(values, float).reshape(-1, values.shape[-1]).T

    feh = flat(block.feh.values)
    afe = flat(block.afe.values) if "afe" in block else np.zeros_like(feh)
    logg = flat(block.logg.values) if "logg" in block else np.full_like(feh, 2.5)
    return {
        "log_mass": flat(block.ln_mass.values) / np.log(10.0),
        "mh": salaris(feh, afe),
        "logg": logg,
        "log_prior": flat(log_prior),
    }


def _mass_draws(raw: dict[str, np.ndarray], good: np.ndarray, grid: Parsec) -> MassDraws:
    """Weigh the draws; a star that cannot be used gets harmless numbers, its result is dropped."""
    log_weight = np.where(good[:, None], -raw["log_prior"], 0.0)
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    safe = {
        "log_mass": np.where(good[:, None], raw["log_mass"], 0.1),
        "mh": np.where(good[:, None], np.clip(raw["mh"], grid.mh[0], grid.mh[-1]), 0.0),
        "logg": np.where(good, raw["logg"].mean(axis=1), 2.5),
    }
    n_draw = weight.shape[1]
    weight = np.where(good[:, None], weight, 1.0 / n_draw)
    return MassDraws(
        *(jnp.asarray(_pad(a)) for a in (safe["log_mass"], safe["mh"], weight, safe["logg"]))
    )


def _pad(array: np.ndarray) -> np.ndarray:
    """Repeat the last star up to the block's size: all blocks share one compiled program."""
    return np.pad(array, [(0, STARS_PER_BLOCK - len(array))] + [(0, 0)] * (array.ndim - 1), "edge")


def _combine(rgb: AgeDensity, rc: AgeDensity, p_rc, keys, x, n_draw) -> dict[str, jax.Array]:
    return _combine_jit(rgb, rc, p_rc, keys, x, jnp.zeros(n_draw))


@jax.jit
def _combine_jit(rgb: AgeDensity, rc: AgeDensity, p_rc, keys, x, like_draws):
    """Mix the states: P(state) times how well the state explains the mass."""
    log_odds = jnp.log(p_rc) + rc.log_evidence - jnp.log1p(-p_rc) - rgb.log_evidence
    share = jax.nn.sigmoid(log_odds)[:, None]
    mixed = share * rc.density + (1 - share) * rgb.density
    levels = jnp.asarray(LEVELS)
    densities = jnp.stack([mixed, rgb.density, rc.density], axis=1)
    quantile = jnp.stack([quantiles(densities[:, i], x, levels) for i in range(3)], axis=1)
    uniform = jax.vmap(lambda k: jax.random.uniform(k, (3, like_draws.size)))(keys)
    age_rgb = 10 ** quantiles(rgb.density, x, uniform[:, 0])
    age_rc = 10 ** quantiles(rc.density, x, uniform[:, 1])
    age = jnp.where(uniform[:, 2] < share, age_rc, age_rgb)
    mean = densities @ 10**x
    second = densities @ 10 ** (2 * x)
    return {
        "draws": jnp.stack([age, age_rgb, age_rc], axis=1),
        "quantile": 10**quantile,
        "mean": mean,
        "std": jnp.sqrt(jnp.maximum(second - mean**2, 0.0)),
        "p_trunc": p_rc * rc.p_trunc + (1 - p_rc) * rgb.p_trunc,
        "supported": jnp.maximum(
            jnp.where(p_rc > 0, rc.supported, 0.0), jnp.where(p_rc < 1, rgb.supported, 0.0)
        ),
        "density": mixed,
    }


def _tree(results: list[dict], star_id: np.ndarray, attrs: dict) -> xr.DataTree:
    joined = {name: np.concatenate([r[name] for r in results]) for name in results[0]}
    star = {"star": star_id}
    draws = np.moveaxis(joined["draws"], 0, -1)  # (quantity, draw, star)
    sampled = {q: (("chain", "draw", "star"), draws[i][None]) for i, q in enumerate(QUANTITIES)}
    chain_draw = {"chain": [0], "draw": np.arange(draws.shape[1])}
    per_star = ("p_rc", "p_trunc", "p_extrapolated", "flags")
    point = xr.Dataset(
        {
            "quantile": (("quantity", "level", "star"), np.moveaxis(joined["quantile"], 0, -1)),
            "mean": (("quantity", "star"), joined["mean"].T),
            "std": (("quantity", "star"), joined["std"].T),
        },
        coords={**star, "quantity": list(QUANTITIES), "level": list(LEVELS)},
    )
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(sampled, coords={**chain_draw, **star}),
            "sample_stats": xr.Dataset({k: ("star", joined[k]) for k in per_star}, coords=star),
            "point": point,
        }
    )
    tree.attrs = attrs
    return tree


def _grid_id(grid: Parsec) -> str:
    """Twelve hexadecimal digits that change with the grid's masses."""
    digest = hashlib.sha256(json.dumps(grid.info, sort_keys=True).encode())
    for array in (grid.log_mass_rgb, grid.log_mass_rc):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]
