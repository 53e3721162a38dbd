"""Interpolation in a table over log g, [M/H] and x = log10(age / Gyr), and its inverse.

Between the nodes it is a monotone cubic in x (Fritsch & Butland 1984) and linear in [M/H] and
log g, which keeps it monotone: one mass has one age.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

import bayescannon.precision  # noqa: F401


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
