"""Names, units, descriptions and UCDs of all catalogue columns, in one place."""

from typing import NamedTuple

from astropy import units as u

from bayescannon.flags import MEANING, WARNINGS


class Column(NamedTuple):
    """One column: what every writer needs to know of it."""

    name: str
    unit: u.UnitBase | None
    description: str
    ucd: str


class Quantity(NamedTuple):
    """Something with a posterior; it gets seven columns."""

    unit: u.UnitBase | None
    description: str
    ucd: str


QUANTITIES = {
    "teff": Quantity(u.K, "effective temperature", "phys.temperature.effective"),
    "logg": Quantity(u.dex, "log10 of the surface gravity in cm/s2", "phys.gravity"),
    "feh": Quantity(u.dex, "[Fe/H]", "phys.abund.Fe"),
    "afe": Quantity(u.dex, "[alpha/Fe]", "phys.abund"),
    "ln_mass": Quantity(None, "natural logarithm of the current mass in solar masses", "phys.mass"),
    "ln_age": Quantity(None, "natural logarithm of the age in Gyr, from the spectrum", "time.age"),
    "mass": Quantity(u.Msun, "current mass", "phys.mass"),
    "age": Quantity(u.Gyr, "age from mass, evolutionary states mixed by p_rc", "time.age"),
    "age_rgb": Quantity(u.Gyr, "age from mass if on the red giant branch", "time.age"),
    "age_rc": Quantity(u.Gyr, "age from mass if in the red clump", "time.age"),
    "age_trained": Quantity(u.Gyr, "age from a model trained on ln age", "time.age"),
}

STATISTICS = {
    "q025": ("2.5 % quantile of the", "{}"),
    "q16": ("16 % quantile of the", "{}"),
    "q50": ("median of the", "{};stat.median"),
    "q84": ("84 % quantile of the", "{}"),
    "q975": ("97.5 % quantile of the", "{}"),
    "mean": ("posterior mean of the", "{};stat.mean"),
    "std": ("posterior standard deviation of the", "stat.stdev;{}"),
}
"""Suffix of each column of a quantity, in the order in which they are written: what it is, and its
UCD around that of the quantity (the vocabulary has no word for a quantile)."""

LEVELS = (0.025, 0.16, 0.5, 0.84, 0.975)

SINGLE = {
    column.name: column
    for column in (
        Column("star_id", None, "name of the star", "meta.id;meta.main"),
        Column(
            "p_rc",
            None,
            "probability of the red clump, as given to the age step",
            "stat.probability",
        ),
        Column(
            "p_trunc",
            None,
            "probability that the mass is below the oldest age's",
            "stat.probability",
        ),
        Column(
            "p_outside",
            None,
            "share of the posterior outside the training range",
            "stat.probability",
        ),
        Column(
            "chi2_red", None, "reduced chi2 of the spectrum (diagonal covariance)", "stat.fit.chi2"
        ),
        Column("chi2_full_red", None, "reduced chi2 with residual factors", "stat.fit.chi2"),
        Column("n_pixel", None, "number of pixels used", "meta.number"),
        Column("distance_training", None, "Mahalanobis distance to the training set", "stat.param"),
        Column("khat", None, "Pareto k-hat of the importance weights", "stat.param"),
        Column("ess", None, "effective sample size, smallest over the labels", "stat.param"),
        Column("rhat", None, "R-hat, largest over the labels", "stat.param"),
        Column("divergences", None, "number of divergent transitions", "meta.number"),
        Column("n_modes", None, "number of posterior maxima found", "meta.number"),
        Column(
            "flags",
            None,
            "bit mask; good by bayescannon.flags.good",
            "meta.code",
        ),
    )
}


def column(name: str) -> Column:
    """Describe a column by its name.

    Parameters
    ----------
    name : str
        Such as `age_q50`, `rho_teff_logg` or `flags`.

    Returns
    -------
    Column
        A label that the glossary does not know gets its own name as description.
    """
    if name in SINGLE:
        return SINGLE[name]
    if name.startswith("rho_"):
        return Column(name, None, f"posterior correlation {name[4:]}", "stat.correlation")
    quantity, suffix = name.rsplit("_", 1)
    words, ucd = STATISTICS[suffix]
    known = QUANTITIES.get(quantity, Quantity(None, quantity, "stat.param"))
    return Column(name, known.unit, f"{words} {known.description}", ucd.format(known.ucd))


def page() -> str:
    """Lay the glossary out as `docs/columns.md`."""
    lines = [
        "# Columns of the catalogue",
        "",
        "Written by `python scripts/columns_page.py` from the glossary in `bayescannon/catalog/`.",
        "FITS and VOTable know no unit dex: there the description says it. `.mrt` has the columns",
        "of Table 1 of Ness et al. 2016 instead (`bc.catalog.paper_table`).",
        "",
        "## Quantities with a posterior",
        "",
        "Each has seven columns, `<name>_<suffix>`.",
        "",
        "| suffix | meaning | UCD around the quantity's |",
        "|---|---|---|",
        *(
            f"| `{name}` | {words} ... | `{ucd.format('...')}` |"
            for name, (words, ucd) in STATISTICS.items()
        ),
        "",
        "| name | unit | quantity | UCD |",
        "|---|---|---|---|",
        *(_row(name, q.unit, q.description, q.ucd) for name, q in QUANTITIES.items()),
        "",
        "Labels come as the model has them; `age_trained` needs a model trained on ln age.",
        "`rho_<a>_<b>` is the posterior correlation of labels a and b (`stat.correlation`).",
        "",
        "## Single columns",
        "",
        "| name | unit | meaning | UCD |",
        "|---|---|---|---|",
        *(_row(c.name, c.unit, c.description, c.ucd) for c in SINGLE.values()),
        "",
        "## Bits of `flags`",
        "",
        "`bc.flags.explain(value)` says these words for any value.",
        "",
        "A star is good where no bit is set but warnings (`bc.flags.good`), else bad.",
        "",
        "| bit | value | name | kind | meaning |",
        "|---|---|---|---|---|",
        *(
            f"| {int(flag).bit_length() - 1} | {int(flag)} | `{flag.name}` "
            f"| {'warning' if flag in WARNINGS else 'bad'} | {words} |"
            for flag, words in MEANING.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, unit: u.UnitBase | None, description: str, ucd: str) -> str:
    return f"| `{name}` | {'' if unit is None else unit} | {description} | `{ucd}` |"
