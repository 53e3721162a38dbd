"""Names, units, descriptions and UCDs of all catalogue columns, in one place."""

from typing import NamedTuple

import numpy as np
from astropy import units as u

from bayescannon.flags import MEANING, WARNINGS
from bayescannon.plain import bare


class Column(NamedTuple):
    """One column: what every writer needs to know of it."""

    name: str
    unit: u.UnitBase | None
    description: str
    ucd: str
    kind: str = "f4"
    """NumPy's type: single precision is finer than any posterior is known."""

    def stored(self, values: np.ndarray) -> np.ndarray:
        """Give a copy of values (star,) in the column's kind: of an integer, -1 where unknown."""
        dtype = np.dtype(self.kind)
        if dtype.kind == "U":
            return np.array(bare(np.asarray(values)), str)
        if dtype.kind not in "iu":
            return np.array(values, dtype)
        limits = np.iinfo(dtype)
        whole = np.asarray(values)
        if whole.dtype.kind == "f":
            whole = np.where(np.isfinite(whole), whole, -1).round()
        return np.clip(whole, limits.min, limits.max).astype(dtype)


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
        Column("star_id", None, "name of the star", "meta.id;meta.main", "U"),
        Column("sdss_id", None, "SDSS-V identifier, -1 where unknown", "meta.id", "i8"),
        Column("gaia_id", None, "Gaia source id, -1 where unknown", "meta.id", "i8"),
        Column("ra", u.deg, "right ascension, J2000", "pos.eq.ra;meta.main", "f8"),
        Column("dec", u.deg, "declination, J2000", "pos.eq.dec;meta.main", "f8"),
        Column("field", None, "field of the survey", "meta.id;obs.field", "U"),
        Column("telescope", None, "telescope of the survey", "meta.id;instr.tel", "U"),
        Column("snr", None, "signal-to-noise ratio per pixel, as the survey gives it", "stat.snr"),
        Column(
            "rv", u.km / u.s, "barycentric radial velocity, by the survey", "spect.dopplerVeloc"
        ),
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
        Column("n_pixel", None, "number of pixels used", "meta.number", "i2"),
        Column("distance_training", None, "Mahalanobis distance to the training set", "stat.param"),
        Column("khat", None, "Pareto k-hat of the importance weights", "stat.param"),
        Column(
            "ess",
            None,
            "effective sample size, smallest over the labels, -1 where unknown",
            "meta.number",
            "i2",
        ),
        Column("rhat", None, "R-hat, largest over the labels", "stat.param"),
        Column(
            "divergences",
            None,
            "number of divergent transitions, -1 without chains",
            "meta.number",
            "i2",
        ),
        Column("n_modes", None, "number of posterior maxima found", "meta.number", "u1"),
        Column("flags", None, "bit mask of bayescannon.flags", "meta.code", "i4"),
        Column("good", None, "no bit of flags but warnings: to be used", "meta.code", "?"),
    )
}


MADE_BY = {
    "creator": "that bayescannon wrote it",
    "data": "`semi-synthetic` where spectra were simulated",
    "run": "of a run in blocks: model and its id, certificate, recipe, `spectra id` (a checksum of "
    "ids, axis, columns and some fluxes; an ingested store has the checksum of every file among "
    "its columns), `grid id` of the isochrones, method, priors, draws, seed, versions, command",
    "post_...": "of stores that exist: the posterior's attributes, such as `post_model_id`",
    "ages_...": "likewise of the ages",
    "command": "likewise what was typed",
    "flags": "name and value of each bit",
}
"""Keys of a catalogue's `meta`."""


def is_column(name: str) -> bool:
    """Whether a name is that of a catalogue's column."""
    statistic = name.rpartition("_")[2] in STATISTICS and "_" in name
    return name in SINGLE or name.startswith("rho_") or statistic


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
        "Numbers are in single precision, positions in double. FITS and VOTable know no unit dex:",
        "there the description says it. CSV keeps neither units nor descriptions.",
        "`bc.read_catalog` gives a QTable with both from every format. `.mrt` and `.cds` have the",
        "columns of Table 1 of Ness et al. 2016 instead (`bc.catalog.paper_table`).",
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
        "`good` is the cut that most users want: no bit is set but warnings (`bc.flags.good`). A",
        "warning leaves the numbers standing; each meaning says where the bit is raised.",
        "",
        "| bit | value | name | kind | meaning |",
        "|---|---|---|---|---|",
        *(
            f"| {int(flag).bit_length() - 1} | {int(flag)} | `{flag.name}` "
            f"| {'warning' if flag in WARNINGS else 'bad'} | {words} |"
            for flag, words in MEANING.items()
        ),
        "",
        "## What made a catalogue",
        "",
        "One block of JSON, `meta` of what `bc.read_catalog` gives: in FITS the card `BCMETA`, in",
        "ECSV and Parquet the table's metadata, in VOTable its description, in CSV the comment of",
        "the first line, in `.mrt` and `ReadMe` a note. `manifest.json` of a run holds `run`.",
        "",
        "| key | what |",
        "|---|---|",
        *(f"| `{key}` | {words} |" for key, words in MADE_BY.items()),
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, unit: u.UnitBase | None, description: str, ucd: str) -> str:
    return f"| `{name}` | {'' if unit is None else unit} | {description} | `{ucd}` |"
