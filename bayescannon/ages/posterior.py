"""Age posteriors from mass posteriors, per evolutionary state, without clipping.

The unknown is x = log10(age / Gyr). A star of age x, metallicity m and state s has the current
mass M(x, m, s), so its label draws say ::

    p(x | s)  ~  prior(x | s) * integral L(log10 M(x, m, s), m) dm,

with L the likelihood of mass and metallicity: the label posterior with the label prior divided
out. The integral is the density at zero of r = log10 M_draw - log10 M(x, m_draw, s). With the table
linear in m over the posterior's width its mean and variance follow exactly from the draws'
moments; its shape is a kernel estimate from the draws themselves. Everything is differentiable.
"""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import logsumexp
from jaxtyping import Bool, Float

import bayescannon.precision  # noqa: F401
from bayescannon.ages.grid import Parsec, State
from bayescannon.ages.interpolation import Table, profile
from bayescannon.typing import Array, Stars

AgePrior = Literal["flat-log-mass", "flat-log-age", "flat-age", "population", "as-inferred"]
AGE_PRIORS: tuple[AgePrior, ...] = (
    "flat-log-mass",
    "flat-log-age",
    "flat-age",
    "population",
    "as-inferred",
)

N_AGE = 512
MASS_LOSS_SCATTER = 0.03
"""Star-to-star scatter of the mass lost before the clump [Msun] (Ness et al. 2016, section 2.3)."""
NO_SUPPORT = 5.0
"""A mass posterior further than this from every mass of the grid, in its own sd, has no age."""
SHAPE_RANGE, N_SHAPE = 8.0, 161
BANDWIDTH = 0.25
"""Kernel width for the shape of r, in its own sd; the draws are shrunk to keep the variance."""
GAUSSIAN_SHARE = 0.02
"""Share of a plain Gaussian in that shape: draws cannot tell the tails beyond the last of them."""


class MassDraws(NamedTuple):
    """What the age step needs of a block of stars."""

    log_mass: Float[Array, "star draw"]  # log10 of the current mass [Msun]
    mh: Float[Array, "star draw"]  # [M/H] [dex]
    weight: Float[Array, "star draw"]  # of the draws, label prior divided out; sums to 1
    logg: Stars  # posterior mean [dex]
    share: Float[Array, "star draw"] | None = None  # of the posterior; None: all alike


class StateTables(NamedTuple):
    """A grid's tables of one state on a fine and even axis of x."""

    log_mass: Table
    spread: Table | None
    log_number: Table


class AgeDensity(NamedTuple):
    """p(x | star, state) on the tables' x axis, normalised to sum 1, and what goes with it."""

    density: Float[Array, "star x"]
    log_evidence: Stars
    p_trunc: Stars
    p_young: Stars
    supported: Bool[Array, "star"]


def state_tables(grid: Parsec, state: State, n_age: int = N_AGE) -> StateTables:
    """Interpolate a grid onto the fine axis, once for all stars."""
    return StateTables(
        grid.fine("log_mass", state, n_age),
        grid.fine("spread", state, n_age) if state == "rc" else None,
        grid.fine("log_number", state, n_age),
    )


@partial(jax.jit, static_argnames="prior")
def age_density(draws: MassDraws, tables: StateTables, prior: AgePrior) -> AgeDensity:
    """Compute the age posterior of stars that are in one state.

    Parameters
    ----------
    draws : MassDraws
        Draws of current mass and metallicity.
    tables : StateTables
        Of that state.
    prior : {"flat-log-mass", "flat-log-age", "flat-age", "population", "as-inferred"}
        Density of x before the mass is known, normalised over the grid's ages. `flat-log-mass`
        is what pushing draws through a table assumes; `population` is a constant star formation
        rate times the number of stars that an isochrone of that age has in the state;
        `as-inferred` is `flat-log-mass` for draws that keep the prior they were inferred under.

    Returns
    -------
    AgeDensity
        `log_evidence` compares states; `p_trunc` is the probability that the mass, before any
        age is known, lies below that of the oldest age, `p_young` that it lies above that of the
        youngest; `supported` is False where no age of the grid fits the mass.
    """
    mean_u = jnp.sum(draws.weight * draws.log_mass, axis=1)
    mean_m = jnp.sum(draws.weight * draws.mh, axis=1)
    du, dm = draws.log_mass - mean_u[:, None], draws.mh - mean_m[:, None]
    var_u, var_m, cov = (jnp.sum(draws.weight * p, axis=1) for p in (du * du, dm * dm, du * dm))

    table = profile(tables.log_mass, mean_m, draws.logg)
    slope = _metallicity_slope(tables.log_mass, mean_m, jnp.sqrt(var_m), draws.logg)
    # without the barrier the compiler looks the tables up anew in every loop: three times slower
    table, slope = lax.optimization_barrier((table, slope))
    own = var_u[:, None] - 2 * slope * cov[:, None] + slope**2 * var_m[:, None]
    own = jnp.maximum(own, 1e-12)
    total = own + _phase_variance(tables, mean_m, table)
    z = (table - mean_u[:, None]) / jnp.sqrt(total)

    nearest = jnp.argmin(jnp.abs(z), axis=1)[:, None]
    slope_here, own_here = (jnp.take_along_axis(a, nearest, axis=1) for a in (slope, own))
    shape = _log_shape((du - slope_here * dm) / jnp.sqrt(own_here), draws.weight)
    z, shape = lax.optimization_barrier((z, shape))
    log_like = _interpolate(shape, z) - 0.5 * jnp.log(total)
    log_prior = log_age_prior(prior, tables, mean_m, draws.logg)
    log_density = log_prior + log_like
    log_evidence = logsumexp(log_density, axis=1)
    return AgeDensity(
        density=jnp.exp(log_density - log_evidence[:, None]),
        log_evidence=log_evidence,
        p_trunc=_share_beyond(draws, dm, table[:, -1], slope[:, -1], -1.0),
        p_young=_share_beyond(draws, dm, table[:, 0], slope[:, 0], 1.0),
        supported=jnp.min(jnp.abs(z), axis=1) <= NO_SUPPORT,
    )


def _share_beyond(draws: MassDraws, dm: Array, edge: Stars, slope: Stars, side: float) -> Stars:
    """Share of the mass posterior beyond an end of the table, at each draw's own metallicity."""
    edge_mass = edge[:, None] + slope[:, None] * dm
    beyond = (side * (draws.log_mass - edge_mass) > 0).astype(float)
    if draws.share is None:
        return jnp.mean(beyond, axis=1)
    return jnp.sum(draws.share * beyond, axis=1)


def _metallicity_slope(table: Table, mh: Stars, sd: Stars, logg: Stars) -> Array:
    """d log10 M / d [M/H] over one sd to both sides, as far as the grid reaches."""
    step = jnp.maximum(sd, 0.02)
    low, high = (jnp.clip(mh + sign * step, table.mh[0], table.mh[-1]) for sign in (-1.0, 1.0))
    difference = profile(table, high, logg) - profile(table, low, logg)
    return difference / (high - low)[:, None]


def _phase_variance(tables: StateTables, mh: Stars, log_mass: Array) -> Array | float:
    """Variance of log10 M among stars of one age and metallicity in the state."""
    if tables.spread is None:
        return 0.0
    loss = MASS_LOSS_SCATTER / (jnp.log(10.0) * 10**log_mass)
    return profile(tables.spread, mh) ** 2 + loss**2


@partial(jax.jit, static_argnames="prior")
def log_age_prior(
    prior: AgePrior, tables: StateTables, mh: Stars, logg: Stars
) -> Float[Array, "star x"]:
    """Log of the prior probability of each node's cell; a row sums to one.

    Parameters
    ----------
    prior : as in `age_density`.
    tables : StateTables
    mh, logg : (star,) [M/H] and log g [dex].
    """
    x = tables.log_mass.x
    log_prior = _log_density_of_x(prior, tables, mh, logg) + _log_cell(x.size)[None]
    log_prior = log_prior - logsumexp(log_prior, axis=1, keepdims=True)
    return jnp.broadcast_to(log_prior, (mh.size, x.size))


def _log_density_of_x(prior: AgePrior, tables: StateTables, mh: Stars, logg: Stars) -> Array:
    log_age = jnp.log(10.0) * tables.log_mass.x[None]
    if prior in ("flat-log-mass", "as-inferred"):
        log_mass = lax.optimization_barrier(profile(tables.log_mass, mh, logg))
        return jnp.log(-jnp.asarray(jnp.gradient(log_mass, axis=1)))
    if prior == "flat-log-age":
        return jnp.zeros_like(log_age)
    if prior == "flat-age":
        return log_age
    return log_age + profile(tables.log_number, mh, logg)


def _log_cell(n: int) -> Float[Array, "x"]:
    """Log width of each node's cell, in steps: the two end nodes have half a cell."""
    return jnp.zeros(n).at[jnp.array([0, n - 1])].set(-jnp.log(2.0))


def _log_shape(z: Float[Array, "star draw"], weight: Float[Array, "star draw"]) -> Array:
    """Log density of standardised draws on an even axis from -8 to 8, (star, node)."""
    nodes = jnp.linspace(-SHAPE_RANGE, SHAPE_RANGE, N_SHAPE)
    step = nodes[1] - nodes[0]
    position = (z * jnp.sqrt(1 - BANDWIDTH**2) + SHAPE_RANGE) / step
    position = jnp.clip(jnp.nan_to_num(position), 0.0, N_SHAPE - 1.001)
    left = jnp.floor(position).astype(int)
    share = position - left.astype(float)
    row = jnp.arange(z.shape[0])[:, None]
    counts = jnp.zeros((z.shape[0], N_SHAPE))
    counts = counts.at[row, left].add(weight * (1 - share)).at[row, left + 1].add(weight * share)
    offset = (nodes[:, None] - nodes[None]) / BANDWIDTH
    kernel = jnp.exp(-0.5 * offset**2) / (BANDWIDTH * jnp.sqrt(2 * jnp.pi))
    gaussian = jnp.exp(-0.5 * nodes**2) / jnp.sqrt(2 * jnp.pi)
    return jnp.log((1 - GAUSSIAN_SHARE) * counts @ kernel + GAUSSIAN_SHARE * gaussian[None])


def _interpolate(shape: Float[Array, "star node"], z: Float[Array, "star x"]) -> Array:
    """Read the log shape at z; beyond the axis it goes on as a Gaussian."""
    inside = jnp.clip(z, -SHAPE_RANGE, SHAPE_RANGE)
    position = (inside + SHAPE_RANGE) / (2 * SHAPE_RANGE) * (N_SHAPE - 1)
    left = jnp.clip(jnp.floor(position).astype(int), 0, N_SHAPE - 2)
    share = position - left.astype(float)
    low, high = (jnp.take_along_axis(shape, at, axis=1) for at in (left, left + 1))
    return (1 - share) * low + share * high - 0.5 * (z**2 - inside**2)


@jax.jit
def quantiles(
    density: Float[Array, "star x"], x: Float[Array, "x"], levels: Float[Array, "*star level"]
) -> Float[Array, "star level"]:
    """Invert the cumulative distribution: x at which it reaches each level.

    The density is taken as constant within each node's cell, which ends midway to its neighbours.
    """
    step = x[1] - x[0]
    edges = jnp.append(x - step / 2, x[-1] + step / 2)
    edges = jnp.clip(edges, x[0], x[-1])
    zero = jnp.zeros((density.shape[0], 1))
    cumulative = jnp.concatenate([zero, jnp.cumsum(density, axis=1)], axis=1)
    levels = jnp.broadcast_to(levels, (density.shape[0], levels.shape[-1]))
    return jax.vmap(lambda p, c: jnp.interp(p, c, edges))(levels, cumulative)
