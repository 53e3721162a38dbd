"""The catalogue in the layout of Table 1 of Ness et al. 2016."""

import numpy as np
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table

LABELS = {
    "teff": ("Teff", u.K, "Effective temperature", "%.1f"),
    "logg": ("logg", None, "Log surface gravity [cgs; dex]", "%.3f"),
    "feh": ("FeH", None, "[Fe/H] [dex]", "%.3f"),
    "afe": ("aFe", None, "[alpha/Fe] [dex]", "%.3f"),
    "ln_mass": ("lnM", None, "Natural log of the mass in solar masses", "%.3f"),
}
"""Label to name, unit, description and format. A machine-readable table knows no unit dex."""
CARRIED = {
    "ra": ("RAdeg", u.deg, "Right ascension, J2000", "%.6f"),
    "dec": ("DEdeg", u.deg, "Declination, J2000", "%.6f"),
    "snr": ("SNR", None, "Signal-to-noise ratio per pixel", "%.1f"),
    "rv": ("RV", u.km / u.s, "Barycentric radial velocity", "%.3f"),
}
"""Likewise of what a catalogue may carry."""
AGES = {
    "age_trained": "Natural log of the age in Gyr, by a model trained on age",
    "age": "Natural log of the age in Gyr, from the mass",
}


def paper_table(table: QTable) -> Table:
    """Take the columns of Table 1: star, labels, ln mass, ln age, their errors, chi2.

    Position, Gaia's id, S/N and velocity come before the labels where the catalogue carries them.

    Parameters
    ----------
    table : QTable
        From `build_catalog` or `run_catalog`.

    Returns
    -------
    Table
        Posterior means and standard deviations of the labels it has; of ln age the median, and
        half the distance of the 16 and 84 % quantiles. The age is that of a model trained on
        age where the catalogue has one, as in the paper, and that from the mass follows as
        `lnAgeM`; else `lnAge` is that from the mass. Stars without a posterior have blanks. Our
        flags come last.
    """
    out = Table({"ID": np.asarray(table["star_id"])})
    out["ID"].description = "Name of the star"
    if "gaia_id" in table.colnames:
        out["Gaia"] = [str(one) for one in table["gaia_id"].tolist()]  # too long for an MRT integer
        out["Gaia"].description = "Gaia source id, -1 where unknown"
    for name, (short, unit, words, form) in CARRIED.items():
        if name in table.colnames:
            _add(out, short, _value(table, name), unit, words, form)
    for name, (short, unit, words, form) in LABELS.items():
        if f"{name}_mean" in table.colnames:
            _add(out, short, _value(table, f"{name}_mean"), unit, words, form)
            _add(out, f"e_{short}", _value(table, f"{name}_std"), unit, f"Error of {short}", form)
    known = [name for name in AGES if f"{name}_q50" in table.colnames]
    for short, name in zip(("lnAge", "lnAgeM"), known, strict=False):
        low, middle, high = (np.log(_value(table, f"{name}_{q}")) for q in ("q16", "q50", "q84"))
        _add(out, short, middle, None, AGES[name], "%.3f")
        _add(out, f"e_{short}", (high - low) / 2, None, f"Error of {short}", "%.3f")
    _add(out, "chi2", _value(table, "chi2_red"), None, "Reduced chi2", "%.3f")
    out["Flags"] = np.asarray(table["flags"])
    out["Flags"].description = "Bit mask, see the notes"
    return out


def _value(table: QTable, name: str) -> np.ndarray:
    values = table[name]
    return np.asarray(values.value if isinstance(values, u.Quantity) else values, float)


def _add(out: Table, name: str, values: np.ndarray, unit, words: str, form: str) -> None:
    known = np.isfinite(values)
    out[name] = MaskedColumn(
        np.where(known, values, 0.0), mask=~known, unit=unit, description=words, format=form
    )
