"""How far the choices behind an age shift it: alpha, state, prior, grid."""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import xarray as xr
from astropy.table import Table
from jaxtyping import Bool, Float

from bayescannon.ages.grid import Parsec
from bayescannon.ages.posterior import AGE_PRIORS, AgePrior
from bayescannon.ages.run import infer_ages
from bayescannon.data import apokasc
from bayescannon.posterior.result import as_posterior

MASS_EDGES = (0.8, 1.0, 1.2, 1.5, 2.0, 3.0)  # [Msun]
FEH_ERROR, DRAWS = 0.03, 500  # [dex]


class RealGiants(NamedTuple):
    """Giants of the shipped catalogue whose state is known."""

    post: xr.DataTree
    """Posteriors of ln_mass, feh, afe and logg, as `infer` gives them."""
    mass: Float[np.ndarray, "star"]
    """[Msun]."""
    rc: Bool[np.ndarray, "star"]
    published_age: Float[np.ndarray, "star"]
    """`age_apokasc2` [Gyr], NaN where there is none."""


def real_giants(seed: int = 0, mass: str = "mass") -> RealGiants:
    """Mass and metallicity posteriors of the 1502 real giants of known state.

    Parameters
    ----------
    seed : int
    mass : str
        `mass` with its quoted errors (scaling relations), or `mass_apokasc2` with its own.

    Returns
    -------
    RealGiants
        Gaussian in ln mass with the catalogue's error and in [Fe/H] with 0.03 dex.
    """
    table = apokasc()
    state = np.ma.filled(np.ma.asarray(table["evstate"]), "").astype(str)
    value = np.asarray(table[mass], float)
    if mass == "mass":
        error = 0.5 * (np.asarray(table["mass_errp"]) + np.asarray(table["mass_errm"]))
    else:
        error = np.asarray(table[f"{mass}_err"], float)
    known = (state != "") & (value > 0) & (error > 0)
    table, state, value, error = table[known], state[known], value[known], error[known]
    rng, shape = np.random.default_rng(seed), (1, DRAWS, len(table))
    sampled = {
        "ln_mass": np.log(value) + error / value * rng.normal(size=shape),
        "feh": np.asarray(table["feh"], float) + FEH_ERROR * rng.normal(size=shape),
    }
    fixed = {name: np.broadcast_to(np.asarray(table[name]), shape) for name in ("afe", "logg")}
    post = as_posterior(sampled | fixed, table["star_id"])
    published = np.asarray(np.ma.filled(np.ma.asarray(table["age_apokasc2"]), np.nan), float)
    return RealGiants(post, value, state == "RC", published)


def compare(
    giants: RealGiants,
    grids: dict[str, Parsec] | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Median log10 age of every star, for each way to get it.

    Parameters
    ----------
    giants : RealGiants
        From `real_giants`.
    grids : dict, optional
        Further grids by name.
    progress : callable, optional
        Called with the number of ways done.

    Returns
    -------
    dict
        Way -> (star,) log10(age / Gyr), NaN without an age. `standard` is flat-age, alpha on, the
        catalogue's state, the shipped grid.
    """
    rc, post = giants.rc.astype(float), giants.post
    without = post.copy()
    without["posterior"] = xr.DataTree(post["posterior"].to_dataset().drop_vars("afe"))
    ways: dict[str, tuple[xr.DataTree, Parsec | None, AgePrior, float | np.ndarray]] = {
        "standard": (post, None, "flat-age", rc),
        "alpha off": (without, None, "flat-age", rc),
        "all giant branch": (post, None, "flat-age", 0.0),
        "all clump": (post, None, "flat-age", 1.0),
        "state unknown (0.5)": (post, None, "flat-age", 0.5),
    }
    ways |= {f"prior {p}": (post, None, p, rc) for p in AGE_PRIORS if p != "flat-age"}
    ways |= {f"grid {name}": (post, grid, "flat-age", rc) for name, grid in (grids or {}).items()}
    medians = {}
    for i, (name, (draws, grid, prior, p_rc)) in enumerate(ways.items()):
        ages = infer_ages(draws, grid, prior, p_rc, seed=0)
        point = ages["point"].to_dataset()["quantile"].sel(quantity="age", level=0.5)
        medians[name] = np.log10(point.values)
        if progress is not None:
            progress(i + 1)
    return medians


def shifts(medians: dict[str, np.ndarray], giants: RealGiants) -> Table:
    """Median over the stars of a mass bin of the shift in log10 age.

    Parameters
    ----------
    medians : dict
        From `compare`.
    giants : RealGiants
        From `real_giants`.

    Returns
    -------
    Table
        One row a change, one column a bin of current mass [dex]; NaN where a bin has no age.
        `meta` has the number of stars of each bin.
    """
    mass = giants.mass
    bins = list(pairwise(MASS_EDGES))
    inside = {f"{low}-{high}": (mass >= low) & (mass < high) for low, high in bins}
    changes = {"clump instead of branch": (medians["all clump"], medians["all giant branch"])}
    for name, values in medians.items():
        if name not in ("standard", "all clump", "all giant branch"):
            changes[name] = values, medians["standard"]
    table = Table({"change": list(changes)})
    for name, here in inside.items():
        table[name] = [_median(new[here] - old[here]) for new, old in changes.values()]
        table[name].unit = "dex"
    table.meta["stars"] = {name: int(here.sum()) for name, here in inside.items()}
    table.meta["bins"] = "current mass [Msun]"
    table.meta["standard"] = "flat-age, alpha on, catalogue's state, shipped grid"
    return table


def _median(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else np.nan
