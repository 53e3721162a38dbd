"""Current mass as a function of age: the isochrone grid and its evaluation.

A table holds log10 M on nodes of log g, [M/H] and x = log10(age / Gyr). Between the nodes it is a
monotone cubic in x (Fritsch & Butland 1984) and linear in [M/H] and log g, which keeps it monotone:
one mass has one age. The mass is the current one, which is what a spectrum or a pulsation tells.
"""

from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from bayescannon.errors import UserError
from bayescannon.precision import require_float64

State = Literal["rgb", "rc"]
Quantity = Literal["log_mass", "spread", "log_number"]


class Table(NamedTuple):
    """One quantity of one state on the grid's nodes.

    `logg` has one node, and is ignored, where the quantity does not depend on log g (clump).
    """

    x: Float[Array, "x"]
    """log10(age / Gyr), increasing."""
    mh: Float[Array, "mh"]
    """[M/H] [dex], increasing."""
    logg: Float[Array, "logg"]
    """log g [dex, cgs], increasing."""
    value: Float[Array, "logg mh x"]


def monotone_slopes(
    x: Float[Array, "x"], value: Float[Array, "*rows x"]
) -> Float[Array, "*rows x"]:
    """Slopes at the nodes that make the cubic Hermite interpolant monotone between them.

    Parameters
    ----------
    x : (x,) increasing nodes, three or more.
    value : (..., x) values at the nodes.

    Returns
    -------
    (..., x) array: the weighted harmonic mean of the two neighbouring secants inside, zero at a
    local extreme, the limited three-point formula at both ends.

    References
    ----------
    Fritsch & Butland (1984), SIAM J. Sci. Stat. Comput. 5, 300.
    """
    step = jnp.broadcast_to(jnp.diff(x), (*value.shape[:-1], x.size - 1))
    secant = jnp.diff(value, axis=-1) / step
    left, right = secant[..., :-1], secant[..., 1:]
    w_left = 2 * step[..., 1:] + step[..., :-1]
    w_right = step[..., 1:] + 2 * step[..., :-1]
    same_sign = left * right > 0
    left, right = jnp.where(same_sign, left, 1.0), jnp.where(same_sign, right, 1.0)
    inner = (w_left + w_right) / (w_left / left + w_right / right)
    inner = jnp.where(same_sign, inner, 0.0)
    first = _end_slope(step[..., 0], step[..., 1], secant[..., 0], secant[..., 1])
    last = _end_slope(step[..., -1], step[..., -2], secant[..., -1], secant[..., -2])
    return jnp.concatenate([first[..., None], inner, last[..., None]], axis=-1)


def _end_slope(h0, h1, secant0, secant1):
    """Three-point slope at an end, held between zero and three times the end's secant."""
    slope = ((2 * h0 + h1) * secant0 - h0 * secant1) / (h0 + h1)
    slope = jnp.where(slope * secant0 <= 0, 0.0, slope)
    return jnp.where(jnp.abs(slope) > 3 * jnp.abs(secant0), 3 * secant0, slope)


def _bracket(axis: Float[Array, "node"], at: Float[Array, "*batch"]):
    """Lower and upper node around `at`, and the weight of the upper one."""
    if axis.size == 1:
        zero = jnp.zeros(at.shape, int)
        return zero, zero, jnp.zeros(at.shape)
    low = jnp.clip(
        jnp.searchsorted(axis, at, side="right", method="compare_all") - 1, 0, axis.size - 2
    )
    return low, low + 1, (at - axis[low]) / (axis[low + 1] - axis[low])


def _corners(table: Table, mh: Float[Array, "*batch"], logg: Float[Array, "*batch"]):
    """Yield the four (log g node, [M/H] node, weight) around each point."""
    g_low, g_high, g_weight = _bracket(table.logg, logg)
    g_weight = jnp.clip(g_weight, 0.0, 1.0)  # past the outer nodes the mass no longer changes
    m_low, m_high, m_weight = _bracket(table.mh, mh)
    inside = (mh >= table.mh[0]) & (mh <= table.mh[-1])
    m_weight = jnp.where(inside, m_weight, jnp.nan)
    yield g_low, m_low, (1 - g_weight) * (1 - m_weight)
    yield g_low, m_high, (1 - g_weight) * m_weight
    yield g_high, m_low, g_weight * (1 - m_weight)
    yield g_high, m_high, g_weight * m_weight


@jax.jit
def evaluate(
    table: Table,
    x: Float[ArrayLike, "*#batch"],
    mh: Float[ArrayLike, "*#batch"],
    logg: Float[ArrayLike, "*#batch"] = 0.0,
) -> Float[Array, "*batch"]:
    """Value of a table at any age, metallicity and log g, differentiable in all three.

    Parameters
    ----------
    table : Table
    x : log10(age / Gyr).
    mh : [M/H] [dex].
    logg : log g [dex, cgs]; beyond the outer nodes the outer node counts.

    Returns
    -------
    Array of the common shape of the arguments; NaN where x or [M/H] is outside the table.
    """
    x, mh, logg = jnp.broadcast_arrays(*(jnp.asarray(a, float) for a in (x, mh, logg)))
    low, high, t = _bracket(table.x, x)
    t = jnp.where((x >= table.x[0]) & (x <= table.x[-1]), t, jnp.nan)
    nodes = jnp.stack([table.value, monotone_slopes(table.x, table.value)], axis=-1)
    left, right = jnp.zeros((2, *x.shape, 2))
    for g, m, weight in _corners(table, mh, logg):
        left += weight[..., None] * nodes[g, m, low]
        right += weight[..., None] * nodes[g, m, high]
    return _hermite(t, table.x[high] - table.x[low], left, right)


def _hermite(t, step, left, right):
    """Cubic at the fraction t of a step, from (value, slope) at its two ends."""
    smooth = t * t * (3 - 2 * t)
    bend = (1 - t) * left[..., 1] - t * right[..., 1]
    return (1 - smooth) * left[..., 0] + smooth * right[..., 0] + step * t * (1 - t) * bend


@jax.jit
def profile(
    table: Table, mh: Float[ArrayLike, "*#batch"], logg: Float[ArrayLike, "*#batch"] = 0.0
) -> Float[Array, "*batch x"]:
    """Values along the table's whole age axis: four rows gathered and mixed, nothing else.

    Parameters
    ----------
    table : Table, for instance from `Parsec.fine`.
    mh, logg : as in `evaluate`.

    Returns
    -------
    (..., x) array; a row is NaN where [M/H] is outside the table.
    """
    mh, logg = jnp.broadcast_arrays(jnp.asarray(mh, float), jnp.asarray(logg, float))
    corners = _corners(table, mh, logg)
    return sum(weight[..., None] * table.value[g, m] for g, m, weight in corners)


@jax.jit
def invert(
    table: Table,
    value: Float[ArrayLike, "*#batch"],
    mh: Float[ArrayLike, "*#batch"],
    logg: Float[ArrayLike, "*#batch"] = 0.0,
) -> Float[Array, "*batch"]:
    """Find the x at which a decreasing table takes a value, by bisection inside its step.

    Parameters
    ----------
    table : Table of log10 M.
    value : log10(M / Msun).
    mh, logg : as in `evaluate`.

    Returns
    -------
    x = log10(age / Gyr); NaN where no age of the table has that mass.
    """
    value, mh, logg = jnp.broadcast_arrays(*(jnp.asarray(a, float) for a in (value, mh, logg)))
    slope = table._replace(value=monotone_slopes(table.x, table.value))
    rows = jnp.stack([profile(table, mh, logg), profile(slope, mh, logg)], axis=-1)
    heavier = rows[..., 0] >= value[..., None]
    low = jnp.clip(heavier.sum(-1) - 1, 0, table.x.size - 2)
    at = low[..., None, None]
    left = jnp.take_along_axis(rows, at, axis=-2)[..., 0, :]
    right = jnp.take_along_axis(rows, at + 1, axis=-2)[..., 0, :]
    step = table.x[low + 1] - table.x[low]

    def halve(_, bounds):
        young, old = bounds
        middle = (young + old) / 2
        younger = _hermite(middle, step, left, right) > value
        return jnp.where(younger, middle, young), jnp.where(younger, old, middle)

    young, old = jax.lax.fori_loop(0, 53, halve, (jnp.zeros_like(value), jnp.ones_like(value)))
    inside = (value <= rows[..., 0, 0]) & (value >= rows[..., -1, 0])
    return jnp.where(inside, table.x[low] + step * (young + old) / 2, jnp.nan)


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

    def save(self, path) -> None:
        """Write the grid as a Zarr store; see `bayescannon.ages.store`."""
        from bayescannon.ages.store import save_grid

        save_grid(self, path)

    @staticmethod
    def open(path) -> "Parsec":
        """Read a grid that `save` wrote; UserError when it is none, or of a newer format."""
        from bayescannon.ages.store import open_grid

        return open_grid(path)

    @staticmethod
    @cache
    def default() -> "Parsec":
        """Give the grid that comes with the package: PARSEC v1.2S, Reimers eta = 0.2."""
        return Parsec.open(files("bayescannon.data") / "parsec.zarr")
