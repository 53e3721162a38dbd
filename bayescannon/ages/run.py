"""`infer_ages`: posteriors of mass and metallicity in, posteriors of age out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from bayescannon.ages.draws import (
    USUAL_LOGG,
    Raw,
    Weighed,
    effective_share,
    labels_of_state,
    p_rc_of,
    read_draws,
    weigh,
)
from bayescannon.ages.grid import Parsec, grid_id
from bayescannon.ages.mixture import LEVELS, QUANTITIES, Mixed, mix_states
from bayescannon.ages.posterior import (
    AGE_PRIORS,
    AgePrior,
    MassDraws,
    StateTables,
    age_density,
    state_tables,
)
from bayescannon.ages.states import STATE_LABELS, default_classifier
from bayescannon.batches import in_threads, map_groups
from bayescannon.errors import UserError
from bayescannon.flags import Flag, combine
from bayescannon.keys import star_keys
from bayescannon.precision import require_float64
from bayescannon.states import STATES, p_clump
from bayescannon.typing import Array, Scalar, Stars

STARS_PER_BLOCK = 1024
STARS_AT_ONCE = 16
"""Of how many stars the densities are worked on together: they fit the processor's cache."""
AS_INFERRED = "as-inferred"
MANY = 0.05
"""A flag is raised where more than this share of a posterior is concerned."""
FEW_DRAWS = 10
"""LOW_ESS where dividing the label prior out leaves fewer draws than this: other draws then move
the age's median by half its sd or more, which adds 12 % to its error (measured,
`python -m benchmarks.age_draws`)."""
DRAWS_FOR_P_RC = 50
"""P(rc) is averaged over about this many draws: more would not change it by 0.01."""
PER_STAR = ("p_rc", "p_rc_post", "p_trunc", "p_young", "p_extrapolated", "ess", "flags")


def infer_ages(
    post: xr.DataTree,
    grid: Parsec | None = None,
    prior: AgePrior | str = "flat-age",
    p_rc: float | np.ndarray | None = None,
    seed: int | None = None,
    progress: Callable[[int], None] | None = None,
    draws: int | None = None,
) -> xr.DataTree:
    """Turn posteriors of ln mass into posteriors of age.

    This is the first of the paper's two roads to an age: a model trained on mass, then isochrones.
    The second needs no isochrones here: train a model on `ln_age`, `infer`, and give its posterior
    to `build_catalog(trained_on_age=...)`, whose columns are then `age_trained_*` beside `age_*`.

    Parameters
    ----------
    post : xarray.DataTree
        From `infer`: `posterior` with `ln_mass` [ln Msun] and `feh` [dex], and where they are
        labels `afe` [dex] and `logg` [dex]; `sample_stats/log_prior` is divided out. Draws of the
        mass under a flat prior, `sample_stats/flat_ln_mass`, are taken where they are there.
    grid : Parsec, optional
        Isochrone grid; the shipped PARSEC v1.2S one by default.
    prior : {"flat-age", "flat-log-age", "flat-log-mass", "population", "as-inferred"}
        Prior on age; see `age_density`. `as-inferred` leaves the label prior in: ages are what
        the masses of the training set's stars at such labels make likely.
    p_rc : float or array (star,), optional
        Probability that a star burns helium in its core (red clump), known without its mass. By
        default the model's own where it knows the states, and each state's age is made of its own
        draws. Else learned from teff, logg, feh and afe (`bayescannon.ages.states`), averaged over
        the draws; 0.5 where the posterior lacks one of them. `attrs["p_rc"]` says which.
    seed : int, optional
        For the age draws; that of `post` by default.
    progress : callable, optional
        Called with the number of stars done.
    draws : int, optional
        Age draws a star, 0 or more; as many as `post` has by default. Quantiles and moments do not
        come from them.

    Returns
    -------
    xarray.DataTree
        `posterior/age`, `age_rgb`, `age_rc` (chain, draw, star) [Gyr]: states mixed, and each
        state alone (drawn anew: draw 7 of the age does not belong to draw 7 of the mass);
        `point/quantile` (quantity, level, star), `mean`, `std` (quantity, star) [Gyr];
        `sample_stats` (star,): `p_rc` before and `p_rc_post` after the mass is compared,
        `p_trunc` and `p_young` (mass below that of the oldest, above that of the youngest
        isochrone), `p_extrapolated` (age beyond the last isochrone), `ess` (effective number of
        draws, label prior divided out, at the rate of the likelier state's), `flags`.

    Raises
    ------
    UserError
        If a needed label is missing, the prior is unknown, or `p_rc` does not fit the stars. A
        bad star is flagged, its ages NaN; so is the age in a state that cannot have its mass.
    """
    require_float64()
    grid = Parsec.default() if grid is None else grid
    if prior not in AGE_PRIORS:
        raise UserError(f"age prior {prior!r} is unknown: use one of {', '.join(AGE_PRIORS)}")
    labels = post["posterior"].to_dataset()
    stats = post["sample_stats"].to_dataset()
    for name in ("ln_mass", "feh"):
        if name not in labels:
            raise UserError(f"the posterior has no label {name!r}, which an age needs")
    n_star = labels.sizes["star"]
    if prior == AS_INFERRED:
        stats = _as_inferred(stats)
    source, given = _source_of_p_rc(p_rc, labels)
    if p_rc is None and "p_rc" in stats:
        source, given = "that of the model", _p_rc_of_model(labels, stats)
    seed = int(post.attrs.get("seed", 0)) if seed is None else seed
    if draws is None:
        draws = labels.sizes["chain"] * labels.sizes["draw"]
    tables = {state: state_tables(grid, state) for state in STATES}

    def work(start: int) -> dict[str, np.ndarray]:
        rows = slice(start, start + STARS_PER_BLOCK)
        block = labels.isel(star=rows)
        raw = read_draws(block, stats.isel(star=rows))
        known = _learn_p_rc(block) if given is None else given[rows]
        keys = star_keys(seed, _pad(block.star.values))
        return _one_block(raw, known, tables, prior, grid, keys, draws)

    done = []
    for block in in_threads(work, range(0, max(n_star, 1), STARS_PER_BLOCK)):
        done.append(block)
        if progress is not None:
            progress(min(len(done) * STARS_PER_BLOCK, n_star))
    attrs = {
        "prior": prior,
        "grid": grid.info["family"],
        "grid_eta": grid.info["eta"],
        "grid_id": grid_id(grid),
        "p_rc": source,
        "seed": seed,
    } | {f"post_{name}": value for name, value in post.attrs.items()}
    return _tree(done, labels.star.values, attrs)


def _as_inferred(stats: xr.Dataset) -> xr.Dataset:
    """Leave the label prior in."""
    flat = [name for name in stats.data_vars if str(name).startswith("flat_")]
    return stats.drop_vars(flat).assign(log_prior=xr.zeros_like(stats["log_prior"]))


def _p_rc_of_model(labels: xr.Dataset, stats: xr.Dataset) -> np.ndarray:
    """P(rc) that the model itself found, under a flat prior of the mass where it has such draws."""
    if "flat_rc" not in stats:
        return stats["p_rc"].values
    parts = (slice(k, k + STARS_PER_BLOCK) for k in range(0, labels.sizes["star"], STARS_PER_BLOCK))
    return np.concatenate(
        [p_rc_of(read_draws(labels.isel(star=p), stats.isel(star=p))) for p in parts]
    )


def _source_of_p_rc(p_rc, labels: xr.Dataset) -> tuple[str, np.ndarray | None]:
    """Say where P(rc) comes from, and give it unless it is to be learned from the labels."""
    n_star = labels.sizes["star"]
    if p_rc is not None:
        try:
            return "given", np.broadcast_to(np.asarray(p_rc, float), (n_star,))
        except ValueError as error:
            shape = np.shape(p_rc)
            raise UserError(f"p_rc has shape {shape}, not one value per star ({n_star})") from error
    missing = [name for name in STATE_LABELS if name not in labels]
    if missing:
        return f"0.5, as there is no label {', '.join(missing)}", np.full(n_star, 0.5)
    return f"learned from {', '.join(STATE_LABELS)}", None


def _learn_p_rc(block: xr.Dataset) -> np.ndarray:
    """P(rc) of each star, averaged over some of its draws; 0.5 where they are not finite."""
    every = max(1, block.sizes["chain"] * block.sizes["draw"] // DRAWS_FOR_P_RC)
    stacked = _pad(labels_of_state(block, every))
    p = p_clump(default_classifier(), stacked.reshape(-1, len(STATE_LABELS)))
    p = np.asarray(p).reshape(stacked.shape[:2]).mean(axis=1)[: block.sizes["star"]]
    return np.where(np.isfinite(stacked.sum(axis=(1, 2))[: len(p)]), p, 0.5)


def _one_block(
    raw: Raw, p_rc: np.ndarray, tables, prior, grid: Parsec, keys, draws: int
) -> dict[str, np.ndarray]:
    n_star, n_draw = raw.mh.shape
    finite = raw.finite
    allowed = (p_rc >= 0) & (p_rc <= 1)
    inside = ((raw.mh >= grid.mh[0]) & (raw.mh <= grid.mh[-1])).mean(axis=1)
    good = finite & allowed & (inside > 0.5)
    weighed = weigh(raw, good)
    p = jnp.asarray(_pad(np.where(good, p_rc, 0.5)))
    rgb, rc = (_mass_draws(raw, good, w, grid) for w in weighed)
    last_x = jnp.log10(grid.last_age)
    mixed, supported = _ages_of_both(rgb, rc, p, keys, tables, last_x, prior, draws)
    out = {name: np.array(values[:n_star]) for name, values in mixed._asdict().items()}
    in_rgb, in_rc = (good & np.asarray(s)[:n_star] for s in supported)
    lost = ~((in_rgb & (p_rc < 1)) | (in_rc & (p_rc > 0)))
    _blank(out, lost, ~in_rgb, ~in_rc)
    share, left = out["p_rc_post"], [effective_share(w) for w in weighed]
    left = np.where(share > 0.5, left[1], left[0])
    out["ess"] = np.where(good, n_draw * left, np.nan)
    raised = {
        Flag.NO_AGE: lost,
        Flag.BAD_P_RC: ~allowed,
        Flag.OFF_GRID: finite & ((inside < 1 - MANY) | (out["p_young"] > MANY)),
        Flag.AGE_TRUNCATED: out["p_trunc"] > MANY,
        Flag.AGE_EXTRAPOLATED: out["p_extrapolated"] > MANY,
        Flag.LOW_ESS: out["ess"] < FEW_DRAWS,
    }
    return out | {"flags": combine(raised), "p_rc": p_rc}


@partial(jax.jit, static_argnames=("prior", "n_draw"))
def _ages_of_both(
    rgb: MassDraws,
    rc: MassDraws,
    p_rc: Stars,
    keys: jax.Array,
    tables: dict[str, StateTables],
    last_x: Scalar,
    prior: AgePrior,
    n_draw: int,
) -> tuple[Mixed, tuple[Array, Array]]:
    """Ages of a block of stars, and whether they have one, in either state."""

    def some_stars(given):
        rgb, rc, p_rc, keys = given
        of_rgb, of_rc = (
            age_density(d, tables[s], prior) for s, d in zip(STATES, (rgb, rc), strict=True)
        )
        mixed = mix_states(of_rgb, of_rc, p_rc, tables["rgb"].log_mass.x, last_x, keys, n_draw)
        return mixed, (of_rgb.supported, of_rc.supported)

    return map_groups(some_stars, (rgb, rc, p_rc, keys), STARS_AT_ONCE)


def _blank(out: dict[str, np.ndarray], *without: np.ndarray) -> None:
    """Put NaN where there is no age: for the mixture and for each state."""
    for i, where in enumerate(without):
        for name in ("draws", "quantile", "mean", "std"):
            out[name][where, i] = np.nan
    for name in ("p_rc_post", "p_trunc", "p_young", "p_extrapolated"):
        out[name][without[0]] = np.nan


def _mass_draws(raw: Raw, good: np.ndarray, weighed: Weighed, grid: Parsec) -> MassDraws:
    """Put draws of one state together; a star that cannot be used gets harmless numbers."""
    log_mass = np.where(good[:, None], raw.log_mass, 0.1)
    mh = np.where(good[:, None], np.clip(raw.mh, grid.mh[0], grid.mh[-1]), 0.0)
    logg = np.where(good, raw.logg.mean(axis=1), USUAL_LOGG)
    parts = (log_mass, mh, weighed.weight, logg, weighed.share)
    return MassDraws(*(jnp.asarray(_pad(a)) for a in parts))


def _pad(array: np.ndarray) -> np.ndarray:
    """Repeat the last star up to the block's size: all blocks share one compiled program."""
    rest = [(0, 0)] * (array.ndim - 1)
    return np.pad(array, [(0, STARS_PER_BLOCK - len(array)), *rest], "edge")


def _tree(done: list[dict], star_id: np.ndarray, attrs: dict) -> xr.DataTree:
    joined = {name: np.concatenate([block[name] for block in done]) for name in done[0]}
    star = {"star": star_id}
    draws = np.moveaxis(joined["draws"], 0, -1)  # (quantity, draw, star)
    sampled = {q: (("chain", "draw", "star"), draws[i][None]) for i, q in enumerate(QUANTITIES)}
    chain_draw = {"chain": [0], "draw": np.arange(draws.shape[1])}
    point = {
        "quantile": (("quantity", "level", "star"), np.moveaxis(joined["quantile"], 0, -1)),
        "mean": (("quantity", "star"), joined["mean"].T),
        "std": (("quantity", "star"), joined["std"].T),
    }
    names = {**star, "quantity": list(QUANTITIES), "level": list(LEVELS)}
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(sampled, coords={**chain_draw, **star}),
            "sample_stats": xr.Dataset({k: ("star", joined[k]) for k in PER_STAR}, coords=star),
            "point": xr.Dataset(point, coords=names),
        }
    )
    tree.attrs = attrs
    return tree
