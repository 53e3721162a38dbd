"""Fig. 7: ages within bins of [Fe/H] and [alpha/Fe]."""

import numpy as np

from bayescannon.ages import Parsec, salaris
from bayescannon.labels.table import evolutionary_states
from studies.galaxy import sort_into_cells
from studies.paper.item import Item
from studies.paper.plots import residual_ages
from studies.paper.plots.age_maps import Grid
from studies.paper.source import Source

FEH_STEP, AFE_STEP, LEAST = 0.1, 0.03, 10
"""Of the bins [dex], which the paper does not give, and the fewest stars of one."""


def fig7(source: Source) -> Item:
    """Fig. 7: is there age in a spectrum beyond [Fe/H] and [alpha/Fe]?"""
    found, training = source.validation, source.training
    feh, afe, logg = (found.truth[:, found.labels.index(n)] for n in ("feh", "afe", "logg"))
    place = found.labels.index("ln_mass")
    state = evolutionary_states(training, found.star_id)
    rc = np.ones(len(feh), bool) if state is None else state != "rgb"
    given, ours = (_ages(mass[:, place], feh, afe, logg, rc) for mass in (found.truth, found.mean))
    known = np.isfinite(given) & np.isfinite(ours)
    cells = sort_into_cells(
        np.where(known, feh, np.nan),
        afe,
        np.arange(-0.9, 0.41, FEH_STEP),
        np.arange(-0.06, 0.331, AFE_STEP),
        LEAST,
    )
    here = cells.cell >= 0
    number = cells.cell[here]
    residual = [_from_mean(age[here], number) for age in (ours, given)]
    slope, error = _slope(*residual)
    log_slope, log_error = _slope(*(_from_mean(np.log10(a[here]), number) for a in (ours, given)))
    moments = _moments(ours[here], number)
    mean, dispersion = (
        Grid(cells.x_edges, cells.y_edges, cells.spread(m), cells.count) for m in moments
    )
    fig = residual_ages.draw(mean, dispersion, *residual, (slope, error), note=source.note)
    within = float(np.std(residual[0]))
    numbers = {
        "stars": int(here.sum()),
        "bins": cells.n_cell,
        "without an age": int((~known).sum()),
        "slope": slope,
        "slope error": error,
        "slope in log age": log_slope,
        "slope error in log age": log_error,
        "correlation": float(np.corrcoef(residual)[0, 1]),
        "dispersion within bins [Gyr]": within,
    }
    made = "**Semi-synthetic** spectra, real catalogue masses." if source.semi_synthetic else ""
    caption = f"""# Fig. 7: ages within mono-abundance bins

{made}

**Drawn.** Mean age of the training stars of each bin of [Fe/H] and [alpha/Fe], from the mass that
cross-validation finds, with counts; its dispersion; and for each star that age and the one
from its catalogue mass, both less their means in the bin. Ages through our isochrones at the
posterior mean of ln mass, each star in the state that asteroseismology gives it.

**Cuts and numbers.** Bins of {FEH_STEP:g} by {AFE_STEP:g} dex with {LEAST} stars or more:
{cells.n_cell} bins, {here.sum()} stars. {(~known).sum()} stars have a mass that no age of the
isochrones has (13.8 Gyr at most) and are left out; the paper clips them to the oldest or youngest
age. Slope of the catalogue's residual on ours: {slope:.2f} +- {error:.2f} in Gyr,
{log_slope:.2f} +- {log_error:.2f} in log10 age; correlation {numbers["correlation"]:.2f}. Ours
scatter by {within:.2f} Gyr within bins.

**The paper found** a one-to-one relation: at fixed abundances the spectrum still tells the age.

**Ours differs.** The slope is that of a regression on a posterior mean, which is 1 for a calibrated
posterior of what is on the axis. Here that is ln mass: age is a steep and bent function of it, and
the catalogue's mass has an error of its own, so that 1 is not expected to the last digit.
"""
    return Item({"fig7": fig}, caption, numbers)


def _ages(ln_mass, feh, afe, logg, rc) -> np.ndarray:
    """Age [Gyr] of each mass; NaN where the isochrones do not have it."""
    grid, mh, log_mass = Parsec.default(), salaris(feh, afe), ln_mass / np.log(10)
    clump = np.asarray(grid.age_of_mass(log_mass, mh, "rc"))
    branch = np.asarray(grid.age_of_mass(log_mass, mh, "rgb", logg))
    return np.where(rc, clump, branch)


def _moments(values: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = np.bincount(number)
    mean = np.bincount(number, values) / count
    square = np.bincount(number, (values - mean[number]) ** 2)
    return mean, np.sqrt(square / np.maximum(count - 1, 1))


def _from_mean(values: np.ndarray, number: np.ndarray) -> np.ndarray:
    return values - _moments(values, number)[0][number]


def _slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope of y on x through the origin, and its standard error."""
    slope = float(x @ y / (x @ x))
    rest = y - slope * x
    return slope, float(np.sqrt(rest @ rest / (len(x) - 1) / (x @ x)))
