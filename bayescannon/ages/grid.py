"""Current mass as a function of age: the isochrone grid.

The mass is the current one, which is what a spectrum or a pulsation tells.
"""

import hashlib
import json
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from bayescannon.ages.interpolation import Table, evaluate, invert
from bayescannon.errors import UserError
from bayescannon.precision import require_float64

State = Literal["rgb", "rc"]
Quantity = Literal["log_mass", "spread", "log_number"]


@dataclass(frozen=True, eq=False)
class Parsec:
    """A grid of isochrones reduced to what an age needs.

    The rows of every array run over log g (giant branch only), [M/H] and age. Cells that the
    isochrones do not fill are extended from their neighbours, so that every table is complete,
    and are False in `filled_rgb` and `filled_rc`.

    Raises
    ------
    UserError
        When the arrays do not fit each other, are not finite, or log M does not fall with age.
    """

    mh: Float[np.ndarray, "mh"]
    """[M/H] [dex], increasing."""
    log_age: Float[np.ndarray, "x"]
    """log10(age / Gyr), increasing; the last node is 13.8 Gyr, beyond `last_age` extrapolated."""
    logg: Float[np.ndarray, "logg"]
    """log g [dex, cgs] of the giant-branch nodes, increasing."""
    log_mass_rgb: Float[np.ndarray, "logg mh x"]
    """log10 of the current mass [Msun] on the giant branch."""
    log_mass_rc: Float[np.ndarray, "mh x"]
    """The same in the core-helium-burning phase: the median over its stars."""
    spread_rc: Float[np.ndarray, "mh x"]
    """Standard deviation of log10 M over the stars of that phase [dex]."""
    log_number_rgb: Float[np.ndarray, "logg mh x"]
    """ln of the number of stars per dex of log g; the zero point is common to both states."""
    log_number_rc: Float[np.ndarray, "mh x"]
    """ln of the number of stars in the core-helium-burning phase."""
    filled_rgb: Bool[np.ndarray, "logg mh x"]
    filled_rc: Bool[np.ndarray, "mh x"]
    info: dict[str, Any]
    """family, eta, last_age [Gyr], imf, sources (name, sha256), repairs (count, largest, cells)."""

    def __post_init__(self):
        clump = (self.mh.size, self.log_age.size)
        shapes = {"mh": clump[:1], "log_age": clump[1:], "logg": (self.logg.size,)}
        for field in fields(self)[:-1]:
            array = getattr(self, field.name)
            wanted = shapes.get(field.name) or (
                clump if field.name.endswith("_rc") else (self.logg.size, *clump)
            )
            if array.shape != wanted:
                raise UserError(f"isochrone grid: {field.name} is {array.shape}, not {wanted}")
            if not np.isfinite(array).all():
                raise UserError(f"isochrone grid: {field.name} holds values that are not finite")
        for name in ("mh", "log_age", "logg"):
            if not (np.diff(getattr(self, name)) > 0).all():
                raise UserError(f"isochrone grid: {name} does not increase")
        for name in ("log_mass_rgb", "log_mass_rc"):
            if not (np.diff(getattr(self, name)) < 0).all():
                raise UserError(f"isochrone grid: {name} does not fall with age everywhere")

    @property
    def last_age(self) -> float:
        """Age of the oldest isochrone [Gyr]; above it the grid is an extrapolation."""
        return self.info["last_age"]

    def table(self, quantity: Quantity, state: State) -> Table:
        """Give one quantity of one state as a `Table` at the grid's own nodes.

        The giant branch has no `spread`: at one log g its stars differ by less than 0.001 dex.
        """
        require_float64()
        value = jnp.asarray(getattr(self, f"{quantity}_{state}"))
        x, mh = jnp.asarray(self.log_age), jnp.asarray(self.mh)
        if state == "rc":
            return Table(x, mh, jnp.zeros(1), value[None])
        return Table(x, mh, jnp.asarray(self.logg), value)

    def fine(self, quantity: Quantity, state: State, n: int) -> Table:
        """Give the same table at `n` equally spaced x, for `profile`."""
        table = self.table(quantity, state)
        x = jnp.linspace(table.x[0], table.x[-1], n)
        g, m, x_all = jnp.meshgrid(table.logg, table.mh, x, indexing="ij")
        return table._replace(x=x, value=evaluate(table, x_all, m, g))

    def log_mass(self, x, mh, state: State, logg=0.0) -> Float[Array, "*batch"]:
        """log10 of the current mass [Msun] at x = log10(age / Gyr); see `evaluate`."""
        return evaluate(self.table("log_mass", state), x, mh, logg)

    def age_of_mass(self, log_mass, mh, state: State, logg=0.0) -> Float[Array, "*batch"]:
        """Age [Gyr] at which a star has that log10 mass; NaN outside the grid; see `invert`."""
        return 10 ** invert(self.table("log_mass", state), log_mass, mh, logg)

    def save(self, path, overwrite: bool = False) -> None:
        """Write the grid as a Zarr store, always with the same bytes.

        Parameters
        ----------
        path : path of the Zarr store.
        overwrite : bool
            Replace a grid that is there; nothing else is ever replaced.

        Raises
        ------
        UserError
            If something else is there, or nothing may be written there.
        """
        from bayescannon.ages.store import save_grid  # Zarr, which ages in memory do not need

        arrays = {name: getattr(self, name) for name in _arrays()}
        save_grid(path, arrays, self.info, overwrite)

    @staticmethod
    def open(path) -> "Parsec":
        """Read a grid that `save` wrote.

        Raises
        ------
        UserError
            If there is no grid, it is damaged, or its format is newer.
        """
        from bayescannon.ages.store import open_grid

        arrays, info = open_grid(path, _arrays())
        return Parsec(**arrays, info=info)

    @staticmethod
    @cache
    def default() -> "Parsec":
        """Give the grid that comes with the package: PARSEC v1.2S, Reimers eta = 0.2."""
        return Parsec.open(files("bayescannon.data") / "parsec.zarr")


def _arrays() -> list[str]:
    return [field.name for field in fields(Parsec) if field.name != "info"]


def grid_id(grid: Parsec) -> str:
    """Twelve hexadecimal digits that change with the grid's masses."""
    digest = hashlib.sha256(json.dumps(grid.info, sort_keys=True).encode())
    for table in (grid.log_mass_rgb, grid.log_mass_rc):
        digest.update(np.ascontiguousarray(table).tobytes())
    return digest.hexdigest()[:12]
