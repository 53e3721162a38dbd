"""`build_catalog`: posteriors of labels and ages in, one row a star out."""

from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np
import xarray as xr
from astropy import units as u
from astropy.table import QTable

from bayescannon import flags as star_flags
from bayescannon.catalog.evolution import not_single
from bayescannon.catalog.glossary import LEVELS, STATISTICS, column
from bayescannon.errors import UserError
from bayescannon.model.checks import OBSERVED
from bayescannon.spectra.survey import IDENTITY
from bayescannon.trees import array, point_sd

AGE_QUANTITIES = ("age", "age_rgb", "age_rc")
FIT_COLUMNS = ("p_outside", "khat", "ess", "rhat", "divergences", "n_modes")


def build_catalog(
    post: xr.DataTree,
    ages: xr.DataTree | None = None,
    trained_on_age: xr.DataTree | None = None,
    carry: Mapping[str, np.ndarray] | None = None,
) -> QTable:
    """Sum up posteriors in a table.

    Parameters
    ----------
    post : xarray.DataTree
        From `infer`.
    ages : xarray.DataTree, optional
        From `infer_ages`, for the same stars.
    trained_on_age : xarray.DataTree, optional
        From `infer` with a model whose labels include `ln_age`: columns `age_trained_*`.
    carry : mapping of str to array (star,), optional
        What the survey knows of the same stars, in the same order: `sdss_id`, `gaia_id`, `ra`,
        `dec` [deg], `field`, `telescope`, `snr`, `rv` [km/s]; `carried` takes it from a table.

    Returns
    -------
    QTable
        One row a star: what was carried; five quantiles, mean and standard deviation of every
        label, of mass [Msun] and of age, age_rgb, age_rc [Gyr]; correlations `rho_<a>_<b>` of the
        labels; quality; `flags`, and whether the star is `good`. Numbers are in single precision.
        Units and descriptions are those of the glossary; `meta` says what made it.

    Raises
    ------
    UserError
        If the trees hold different stars.
    """
    star_id = array(post, "posterior/star")
    labels = [str(name) for name in array(post, "point/parameter")]
    carry = carry or {}
    columns: dict[str, np.ndarray] = {"star_id": np.asarray(star_id, str)}
    columns |= {name: carry[name] for name in IDENTITY if name in carry}
    mass: dict[str, np.ndarray] = {}
    for name in labels:
        draws = _in_order(array(post, f"posterior/{name}"))
        columns |= _from_draws(name, draws)
        if name == "ln_mass":
            mass = _from_draws("mass", np.exp(draws))
    columns |= mass
    stats = post["sample_stats"].to_dataset()
    flags = stats["flags"].values.astype(np.int64)
    meta = {f"post_{key}": value for key, value in post.attrs.items()}
    meta["data"] = post.attrs.get("data", OBSERVED)
    if ages is not None:
        _same_stars(star_id, ages, "ages")
        columns |= _age_columns(ages)
        flags = flags | array(ages, "sample_stats/flags").astype(np.int64)
        meta |= {f"ages_{k}": v for k, v in ages.attrs.items() if not str(k).startswith("post")}
    if trained_on_age is not None:
        _same_stars(star_id, trained_on_age, "trained_on_age")
        if "ln_age" not in trained_on_age["posterior"]:
            raise UserError("trained_on_age has no label 'ln_age': infer with a model that has it")
        columns |= _from_draws(
            "age_trained", np.exp(_in_order(array(trained_on_age, "posterior/ln_age")))
        )
        meta["age_trained_model"] = trained_on_age.attrs["model"]
    columns |= _correlations(labels, array(post, "point/cov"), point_sd(post))
    columns["chi2_red"] = _ratio(stats["chi2"].values, stats["dof"].values)
    columns["chi2_full_red"] = _ratio(stats["chi2_full"].values, stats["dof"].values)
    columns["n_pixel"] = stats["dof"].values + len(labels)
    columns["distance_training"] = stats["distance"].values
    columns |= {name: stats[name].values for name in FIT_COLUMNS}
    if ages is not None and "afe" in labels:
        odd = not_single(columns["afe_q50"], columns["age_q84"], columns["p_trunc"])
        flags = flags | np.where(odd, int(star_flags.Flag.NOT_SINGLE_STAR), 0)
    columns |= {"flags": flags, "good": star_flags.good(flags)}
    table = described(columns.items())
    table.meta |= meta | {"flags": {f.name: int(f) for f in star_flags.Flag}}
    return table


def _in_order(draws: np.ndarray) -> np.ndarray:
    """(chain, draw, star) -> (star, draw), each star's draws from low to high."""
    return np.sort(np.ascontiguousarray(draws.reshape(-1, draws.shape[-1]).T), axis=1)


def _from_draws(name: str, ordered: np.ndarray) -> dict[str, np.ndarray]:
    mean = ordered.mean(axis=1)
    away = ordered - mean[:, None]
    std = np.sqrt(np.einsum("sd,sd->s", away, away) / (ordered.shape[1] - 1))
    values = [*_quantiles(ordered).T, mean, std]
    return {f"{name}_{suffix}": v for suffix, v in zip(STATISTICS, values, strict=True)}


def _quantiles(ordered: np.ndarray) -> np.ndarray:
    """Quantiles at `LEVELS` of rows in rising order: `np.quantile(ordered, LEVELS, axis=1).T`."""
    n = ordered.shape[1]
    place = np.array(LEVELS) * (n - 1)
    below = np.minimum(place.astype(int), n - 2)
    low, high = ordered[:, below], ordered[:, below + 1]
    return low + (place - below) * (high - low)


def _age_columns(ages: xr.DataTree) -> dict[str, np.ndarray]:
    point = ages["point"].to_dataset()
    columns: dict[str, np.ndarray] = {}
    for name in AGE_QUANTITIES:
        here = point.sel(quantity=name)
        values = [*here["quantile"].values, here["mean"].values, here["std"].values]
        columns |= {f"{name}_{suffix}": v for suffix, v in zip(STATISTICS, values, strict=True)}
    return columns | {k: array(ages, f"sample_stats/{k}") for k in ("p_rc", "p_trunc")}


def _correlations(labels: list[str], cov: np.ndarray, sd: np.ndarray) -> dict[str, np.ndarray]:
    return {
        f"rho_{labels[i]}_{labels[j]}": _ratio(cov[:, i, j], sd[:, i] * sd[:, j])
        for i, j in combinations(range(len(labels)), 2)
    }


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    return np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0)


def _same_stars(star_id: np.ndarray, tree: xr.DataTree, what: str) -> None:
    theirs = array(tree, "posterior/star")
    if not np.array_equal(theirs, star_id):
        raise UserError(f"{what} holds other stars than the label posteriors: make it from them")


def described(columns: Iterable[tuple[str, np.ndarray]]) -> QTable:
    """Lay out copies of named columns (star,) with the glossary's kinds, units, descriptions."""
    table = QTable()
    for name, given in columns:
        entry = column(name)
        values = entry.stored(given)
        table[name] = values if entry.unit is None else u.Quantity(values, entry.unit)
        table[name].info.description = entry.description
        table[name].info.meta = {"ucd": entry.ucd}
    return table
