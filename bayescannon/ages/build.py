"""From isochrones to the grid: measure every stage, fill the gaps, end at 13.8 Gyr."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from bayescannon.ages.grid import Parsec, State
from bayescannon.ages.interpolation import Table, invert
from bayescannon.ages.stages import IMF_SLOPE, clump, giant_branch
from bayescannon.ages.tables import Isochrone, IsochroneFile, read_isochrones
from bayescannon.errors import UserError

LOGG_NODES = np.array([1.4, 1.8, 2.2, 2.6, 3.0, 3.4])
FIRST_AGE = 0.1
"""Youngest age kept [Gyr]: giants of 5 Msun."""
END_AGE = 13.8
"""Age of the last node [Gyr]."""
MIN_AGES, MIN_MH = 5, 2
_MIN_SLOPE = 0.02  # of log M in log age, a twentieth of the usual one
_MAX_REPAIR = 0.02  # [dex]: a larger one means that the table is not what it says


def build_grid(paths: Sequence, eta: float | None = None, family: str | None = None) -> Parsec:
    """Build a grid from files of isochrones.

    Parameters
    ----------
    paths : files that `read_isochrones` reads; together they hold every age and metallicity.
    eta : Reimers mass-loss parameter, for tables that do not state it (0 = no mass loss).
    family : name of the models; default: what the files say.

    Raises
    ------
    UserError
        When a file cannot be used, eta is unknown or contradicts a file, two files hold the same
        isochrone, or stages, ages or metallicities are too few to interpolate.
    """
    read = [read_isochrones(path) for path in sorted(paths, key=str)]
    if not read:
        raise UserError("no isochrone files given")
    info = {
        "family": family or " + ".join(sorted({file.family for file in read})),
        "eta": _common_eta(read, eta),
        "imf": f"dN/dM ~ M^-{IMF_SLOPE}",
        "sources": [{"name": file.name, "sha256": file.sha256} for file in read],
    }
    return assemble([iso for file in read for iso in file.isochrones], info, _names(read))


def _names(read: list[IsochroneFile]) -> str:
    names = ", ".join(file.name for file in read[:3])
    return names if len(read) <= 3 else f"{names} and {len(read) - 3} more"


def _common_eta(read: list[IsochroneFile], eta: float | None) -> float:
    for file in read:
        if file.eta is None and eta is None:
            raise UserError(
                f"{file.name}: states no Reimers eta; say with --eta which mass loss was used "
                "(0 for none: the clump's mass is then its initial mass)"
            )
        if eta is not None and file.eta not in (None, eta):
            raise UserError(f"{file.name}: states eta = {file.eta}, not {eta}; leave --eta out")
    values = {file.eta if file.eta is not None else float(eta or 0.0) for file in read}
    if len(values) > 1:
        raise UserError(
            f"{_names(read)}: state different eta {sorted(values)}; build one grid each"
        )
    return values.pop()


def assemble(isochrones: Sequence[Isochrone], info: dict, name: str = "isochrones") -> Parsec:
    """Put isochrones into a grid: measure, fill, end at 13.8 Gyr, make monotone.

    Parameters
    ----------
    isochrones : in any order; ages below 0.1 Gyr are left out.
    info : family, eta, imf, sources; last_age and repairs are added.
    name : what to call them in an error.

    Raises
    ------
    UserError
        As `build_grid`.
    """
    kept = [iso for iso in isochrones if iso.log_age >= np.log10(FIRST_AGE) - 1e-4]
    mh, x, rgb, rc = _measure(kept, name)
    filled_rgb, filled_rc = np.isfinite(rgb[0]), np.isfinite(rc[0])
    _require_stages(filled_rgb.any(axis=0), filled_rc, mh, name)
    x_end, rgb = _to_end(x, _fill(rgb, x))
    _, rc = _to_end(x, _fill(rc, x))
    (rgb[0], rc[0]), repairs = _repair([rgb[0], rc[0]], x_end, name)
    last_age = min(round(float(10 ** x[-1]), 3), END_AGE)
    return Parsec(
        mh=mh,
        log_age=x_end,
        logg=LOGG_NODES,
        log_mass_rgb=rgb[0],
        log_mass_rc=rc[0],
        spread_rc=np.maximum(rc[1], 0.0),
        log_number_rgb=rgb[1],
        log_number_rc=rc[2],
        filled_rgb=_filled_to_end(filled_rgb, x),
        filled_rc=_filled_to_end(filled_rc, x),
        info=info | {"last_age": last_age, "repairs": repairs},
    )


def _measure(kept: list[Isochrone], name: str):
    """Axes, and the stages of each isochrone in its cell: (quantity, logg, mh, x), NaN if none."""
    mh, x = (np.array(sorted({getattr(iso, key) for iso in kept})) for key in ("mh", "log_age"))
    for count, least, what in ((len(x), MIN_AGES, "ages"), (len(mh), MIN_MH, "metallicities")):
        if count < least:
            raise UserError(
                f"{name}: only {count} of the {what} can be used (ages from {FIRST_AGE} Gyr on), "
                f"but interpolation needs {least}: give more tables together"
            )
    rgb = np.full((2, len(LOGG_NODES), len(mh), len(x)), np.nan)
    rc = np.full((3, len(mh), len(x)), np.nan)
    seen = set()
    for iso in kept:
        cell = np.searchsorted(mh, iso.mh), np.searchsorted(x, iso.log_age)
        if cell in seen:
            age = 10**iso.log_age
            raise UserError(f"{name}: [M/H] {iso.mh}, {age:.3g} Gyr is there twice; give it once")
        seen.add(cell)
        rgb[:, :, *cell], rc[:, *cell] = giant_branch(iso, LOGG_NODES), clump(iso)
    return mh, x, rgb, rc


def _require_stages(rgb: Bool[np.ndarray, "mh x"], rc: Bool[np.ndarray, "mh x"], mh, name: str):
    """Refuse a metallicity whose isochrones seldom reach a stage."""
    for filled, stage in ((rgb, "giant-branch"), (rc, "core-helium-burning")):
        count = filled.sum(axis=1)
        if count.min() < MIN_AGES:
            raise UserError(
                f"{name}: [M/H] {mh[count.argmin()]} has {stage} stars at {count.min()} ages, "
                f"{MIN_AGES} are needed; ask for isochrones up to the end of core helium"
            )


def _fill(values: Float[np.ndarray, "quantity *cell x"], x) -> Float[np.ndarray, "..."]:
    """Complete cells: from the nearest log g of the same isochrone, then linearly in log age."""
    values = values.copy()
    if values.ndim == 4:  # along the giant branch the mass changes by 0.001 dex
        nodes = np.arange(values.shape[1])
        for i, j in np.argwhere(np.isfinite(values[0]).any(axis=0)):
            known = nodes[np.isfinite(values[0, :, i, j])]
            nearest = known[np.abs(nodes[:, None] - known).argmin(axis=1)]
            values[:, :, i, j] = values[:, nearest, i, j]
    for row in values.reshape(-1, len(x)):
        known = np.isfinite(row)
        xk, yk = x[known], row[known]
        k = np.clip(np.searchsorted(xk, x), 1, len(xk) - 1)
        line = yk[k - 1] + (yk[k] - yk[k - 1]) / (xk[k] - xk[k - 1]) * (x - xk[k - 1])
        row[:] = np.where(known, row, line)
    return values


def _to_end(x: Float[np.ndarray, "x"], values: Float[np.ndarray, "*cell x"]):
    """Cut or extend the age axis to 13.8 Gyr, linearly in log age."""
    end = np.log10(END_AGE)
    inside = x < end - 1e-6
    k = min(np.searchsorted(x, end), len(x) - 1)
    slope = (values[..., k] - values[..., k - 1]) / (x[k] - x[k - 1])
    last = values[..., k - 1] + slope * (end - x[k - 1])
    return np.append(x[inside], end), np.concatenate([values[..., inside], last[..., None]], -1)


def _filled_to_end(filled: Bool[np.ndarray, "*cell x"], x) -> Bool[np.ndarray, "*cell y"]:
    """Carry the mask over to the axis of `_to_end`; the last node counts if the tables reach it."""
    inside = x < np.log10(END_AGE) - 1e-6
    last = filled[..., -1:] & ~inside[-1]
    return np.concatenate([filled[..., inside], last], axis=-1)


def _repair(tables: list[Float[np.ndarray, "*cell x"]], x, name: str):
    """Make log M fall with age, by the least change; refuse when that is a lot."""
    repaired = [np.apply_along_axis(_falling, -1, table, x) for table in tables]
    moved = np.concatenate(
        [np.abs(new - old).ravel() for new, old in zip(repaired, tables, strict=True)]
    )
    if moved.max() > _MAX_REPAIR:
        raise UserError(
            f"{name}: log mass rises with age, by {moved.max():.3f} dex and more; "
            "check the columns, these are no isochrones of one family"
        )
    return repaired, {"count": int((moved > 0).sum()), "largest": round(float(moved.max()), 6)}


def _falling(y: Float[np.ndarray, "x"], x: Float[np.ndarray, "x"]) -> Float[np.ndarray, "x"]:
    """Least-squares projection on functions that fall by `_MIN_SLOPE` (pool adjacent violators)."""
    if (np.diff(y) <= -_MIN_SLOPE * np.diff(x)).all():
        return y
    blocks: list[tuple[float, int]] = []  # mean and length of each level stretch
    for value in y + _MIN_SLOPE * x:
        mean, size = float(value), 1
        while blocks and blocks[-1][0] < mean:
            before, length = blocks.pop()
            mean, size = (before * length + mean * size) / (length + size), length + size
        blocks.append((mean, size))
    means, sizes = zip(*blocks, strict=True)
    return np.repeat(means, sizes) - _MIN_SLOPE * x


def interpolation_error(grid: Parsec, state: State) -> Float[np.ndarray, "logg mh x"]:
    """Error in log10 age that the spacing of the age nodes causes, over-estimated.

    The grid is rebuilt from every other age node and asked for the age of the masses at the nodes
    left out. With a smooth table the error of the whole grid is several times smaller.

    Parameters
    ----------
    grid : Parsec
    state : "rgb" or "rc"

    Returns
    -------
    (logg, mh, x of the nodes left out) array [dex]; NaN where the isochrones fill no cell, and
    beyond the last isochrone.
    """
    table = grid.table("log_mass", state)
    half = Table(table.x[::2], table.mh, table.logg, table.value[..., ::2])
    left_out = np.s_[..., 1:-1:2]
    g, m, x = np.meshgrid(table.logg, table.mh, table.x[1:-1:2], indexing="ij")
    error = np.asarray(invert(half, table.value[left_out], m, g)) - x
    filled = grid.filled_rgb if state == "rgb" else grid.filled_rc[None]
    return np.where(filled[left_out], np.abs(error), np.nan)
