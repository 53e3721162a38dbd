"""Ages of simulated stars whose masses are known."""

import jax.numpy as jnp
import numpy as np
from scipy.stats import norm

from bayescannon.ages.draws import salaris
from bayescannon.ages.grid import Parsec
from bayescannon.ages.posterior import MassDraws, age_density, quantiles, state_tables

SHARP, N_SHARP = 0.002, 200
"""A known mass, as draws: sd in dex, and how many."""


def age_from_mass(
    labels: np.ndarray, ln_mass: np.ndarray, state: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """ln age [ln Gyr] of stars of these masses, (star,); NaN where no isochrone has the mass.

    Of the ages that a mass allows in its state one is drawn, each d ln mass alike: `as-inferred`.
    """
    grid, out = Parsec.default(), np.full(len(ln_mass), np.nan)
    mh = np.clip(salaris(labels[:, 2], labels[:, 3]), grid.mh[0], grid.mh[-1])
    around = SHARP * norm.ppf((np.arange(N_SHARP) + 0.5) / N_SHARP)
    for name, here in (("rc", state == "RC"), ("rgb", state != "RC")):
        known = (ln_mass[here, None] / np.log(10) + around, np.repeat(mh[here, None], N_SHARP, 1))
        weight = np.full(known[0].shape, 1.0 / N_SHARP)
        draws = MassDraws(*map(jnp.asarray, (*known, weight, labels[here, 1])))
        tables = state_tables(grid, name)
        found = age_density(draws, tables, "as-inferred")
        level = jnp.asarray(rng.uniform(size=(here.sum(), 1)))
        x = np.asarray(quantiles(found.density, tables.log_mass.x, level))[:, 0]
        inside = np.asarray(found.supported & (found.p_trunc + found.p_young < 0.5))
        out[here] = np.where(inside, np.log(10) * x, np.nan)
    return out
