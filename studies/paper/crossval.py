"""Figs 1 and 11: cross-validation of the models trained on mass and on age."""

from dataclasses import replace

import numpy as np
from astropy.table import Table

from bayescannon.ages import Parsec, salaris
from bayescannon.calibration.point import numbers as differences
from bayescannon.data import model_path
from bayescannon.plots.labels import draw_one_to_one
from bayescannon.plots.style import DEX
from bayescannon.recipe import Recipe
from bayescannon.simulate import make_apokasc, with_published_ages
from bayescannon.validation import CrossValidation, cross_validate
from studies.paper.item import Item
from studies.paper.source import Source
from studies.paper.text import markdown

MAX_CHI2 = 2.0
"""Stars with a larger reduced chi2 are left out, as in the paper."""
PAPER_RMS = {"teff": 31.0, "logg": 0.07, "feh": 0.02, "afe": 0.02, "ln_mass": 0.07, "log_age": 0.21}
"""Of Fig. 1; mass in dex of log10, age in dex."""
STRIDE, FOLDS = 5, 3
"""Fig. 11 is cross-validated here, as in the demo: on every fifth pixel, in three folds."""
OLDEST = 14.0
"""Upper end of the paper's allowed ages [Gyr]."""


def fig1(source: Source) -> Item:
    """Fig. 1: cross-validation of labels, and of the age that follows from the mass."""
    found = source.validation
    good = found.chi2_red <= MAX_CHI2
    age_in, age_out = (clump_age(found.labels, v) for v in (found.truth, found.mean))
    truth = np.column_stack([found.truth, np.log10(age_in)])[good]
    mean = np.column_stack([found.mean, np.log10(age_out)])[good]
    names = (*found.labels, "log_age")
    lost = int(good.sum() - np.isfinite(truth[:, -1] - mean[:, -1]).sum())
    clipped = clipped_age(found.labels, found.mean) / clipped_age(found.labels, found.truth)
    rows, numbers = compared(names, truth, mean)
    folds, stride = int(found.fold.max()) + 1, int(source.summary.get("crossval_stride", 1))
    numbers |= {
        "stars": int(good.sum()),
        "dropped": int((~good).sum()),
        "without_age": lost,
        "rms.log_age_clipped": float(np.sqrt(np.mean(np.log10(clipped[good]) ** 2))),
        "folds": folds,
        "stride": stride,
        "data": source.note or "real",
    }
    kind = f"**{source.note}** spectra" if source.note else "spectra"
    what = "" if not source.semi_synthetic else SEMI_SYNTHETIC
    caption = f"""# Fig. 1: cross-validation

The training stars' {kind}; every star is inferred by a model that has not seen it
({folds} folds, every {stride}th pixel; the paper: ten folds, all pixels). Posterior means against
inputs. {numbers["stars"]} stars; {numbers["dropped"]} dropped for a reduced chi2 above {MAX_CHI2:g}
(the paper: 31 of 1639). Age: both masses through the PARSEC grid, the red clump assumed for all, as
in the paper. {lost} stars have no age, as the mass going in or coming out lies off the grid; set to
the oldest or youngest age instead, as the paper does, the rms is
{numbers["rms.log_age_clipped"]:.3f} dex.

{markdown(rows)}

{what}
"""
    figure = draw_one_to_one(
        truth,
        mean,
        names,
        y_word="cross-validated",
        heading="Cross-validation; ages from the mass of the red clump",
        note=source.note,
    )
    return Item({"fig1": figure}, caption, numbers)


def fig11(source: Source) -> Item:
    """Fig. 11: cross-validation of the model trained on ln age."""
    return age_item(age_validation(source.seed))


def age_item(found: CrossValidation, stride: int = STRIDE) -> Item:
    """Make Fig. 11 of a cross-validation in which `ln_age` is the last label."""
    good = found.chi2_red <= MAX_CHI2
    truth, mean = found.truth[good], found.mean[good]
    rows, numbers = compared(found.labels, truth, mean)
    age = np.exp(mean[:, -1])
    outside = ~((age > 0) & (age < OLDEST))
    stated = float(np.mean(np.exp(found.truth[np.isfinite(found.truth[:, -1]), -1]) > OLDEST))
    folds = int(found.fold.max()) + 1
    numbers |= {
        "stars": int(good.sum()),
        "with_published_age": int(np.isfinite(truth[:, -1]).sum()),
        "dropped": int((~good).sum()),
        "outside_0_14_gyr": float(outside.mean()),
        "training_ages_above_14_gyr": stated,
        "stride": stride,
        "folds": folds,
        "data": "semi-synthetic",
    }
    caption = f"""# Fig. 11: cross-validation of the model trained on ln age

**Semi-synthetic** spectra of the real giants (`models/apokasc-age/recipe.toml`), every
{stride}th pixel, {folds} folds. Training ages: `age_apokasc2`, published by APOKASC-2 from
corrected seismic masses; those of Martig et al. (2015), which the paper used, are not to be had.
{numbers["stars"]} stars, {numbers["with_published_age"]} of them with a published age;
{numbers["dropped"]} dropped for a reduced chi2 above {MAX_CHI2:g}.

{markdown(rows)}

Ages outside 0 to {OLDEST:g} Gyr: {100 * numbers["outside_0_14_gyr"]:.1f} % (the paper: 5 %), while
{100 * stated:.1f} % of the training ages lie above {OLDEST:g} Gyr. An age from a mass cannot leave
the isochrones; one that was trained on can. Ours are posterior means under the population prior,
which pulls uncertain stars back; the paper's are maxima of the likelihood.
"""
    figure = draw_one_to_one(
        truth,
        mean,
        found.labels,
        y_word="cross-validated",
        heading=f"Cross-validation, trained on ln age, every {stride}th pixel",
        note="semi-synthetic",
    )
    return Item({"fig11": figure}, caption, numbers)


def age_validation(seed: int, stride: int = STRIDE, folds: int = FOLDS) -> CrossValidation:
    """Cross-validate the recipe `apokasc-age` on the real giants' semi-synthetic spectra."""
    simulated = make_apokasc(seed)
    thin = simulated.spectra.every(stride)
    recipe = Recipe.load(model_path("apokasc-age") / "recipe.toml")
    labels, truth = (with_published_ages(table) for table in (simulated.labels, simulated.truth))
    found = cross_validate(thin, labels, recipe, folds, seed, truth)
    return replace(found, draws=found.draws[:, :0])


def compared(names, truth: np.ndarray, mean: np.ndarray) -> tuple[Table, dict[str, float | str]]:
    """Compare labels (star, label) with what they should be, beside the paper's rms.

    Returns
    -------
    Table
        A row a label; natural logarithms are turned into dex.
    dict
        `rms.<label>`, `bias.<label>`, `robust.<label>`, `paper.<label>`.
    """
    rows, numbers = [], {}
    for i, name in enumerate(names):
        dex = DEX if name.startswith("ln_") else 1.0
        found = differences(truth[:, i], mean[:, i])
        paper = PAPER_RMS.get({"ln_age": "log_age"}.get(name, name), np.nan)
        unit = "K" if name == "teff" else "dex"
        short = name.replace("ln_", "log10 ").replace("log_", "log10 ")
        ours = {key: float(found[key]) * dex for key in ("bias", "rms", "robust")}
        rows.append((f"{short} [{unit}]", found["n"], *(f"{v:.3g}" for v in ours.values()), paper))
        numbers |= {f"{key}.{name}": value for key, value in ours.items()}
        numbers[f"paper.{name}"] = paper
    return Table(
        rows=rows, names=("label", "stars", "bias", "rms", "robust", "rms, paper")
    ), numbers


def clump_age(names, labels: np.ndarray) -> np.ndarray:
    """Age [Gyr] at a mass if every star were in the red clump; NaN off the grid, (star,)."""
    grid = Parsec.default()
    mass, mh = _mass_and_metals(names, labels, grid)
    return np.asarray(grid.age_of_mass(mass, mh, "rc"))


def clipped_age(names, labels: np.ndarray) -> np.ndarray:
    """Ages as the paper takes them: the oldest or youngest where the mass is off the grid."""
    grid = Parsec.default()
    mass, mh = _mass_and_metals(names, labels, grid)
    ends = [np.asarray(grid.log_mass(np.full_like(mh, x), mh, "rc")) for x in grid.log_age[[-1, 0]]]
    return np.asarray(grid.age_of_mass(np.clip(mass, ends[0] + 1e-9, ends[1] - 1e-9), mh, "rc"))


def _mass_and_metals(names, labels: np.ndarray, grid: Parsec) -> tuple[np.ndarray, np.ndarray]:
    by_name = dict(zip(names, labels.T, strict=True))
    mh = salaris(by_name["feh"], by_name.get("afe", 0.0))
    return by_name["ln_mass"] * DEX, np.clip(mh, grid.mh[0], grid.mh[-1])


SEMI_SYNTHETIC = """
The first four labels are judged against what went into the spectra, so that the rms is the error of
the spectra alone: the simulation is simple, and the paper's 31 K and 0.07 dex include errors
of its labels. Mass is judged against the real catalogue, whose own errors (12 %, 0.05 dex) are in
the rms, as in the paper's."""
