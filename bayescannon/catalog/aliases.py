"""The same numbers once more, under names that users of a survey know."""

from astropy.table import QTable

from bayescannon.errors import UserError

APOGEE = {
    "teff": "TEFF",
    "logg": "LOGG",
    "feh": "FE_H",
    "afe": "ALPHA_M",
    "mass": "MASS",
    "age": "AGE",
}
"""Quantity to APOGEE's name: mean and standard deviation as `NAME` and `NAME_ERR`."""
GAIA = {
    "teff": "teff",
    "logg": "logg",
    "feh": "fe_h",
    "afe": "alphafe",
    "mass": "mass_msun",
    "age": "age_gyr",
}
"""Quantity to a name like Gaia's: median, 16 and 84 % quantile as `name`, `_lower`, `_upper`."""
STYLES = {
    "apogee": (APOGEE, {"mean": "", "std": "_ERR"}),
    "gaia": (GAIA, {"q50": "", "q16": "_lower", "q84": "_upper"}),
}


def with_aliases(table: QTable, style: str) -> QTable:
    """Add columns under other names.

    Parameters
    ----------
    table : QTable
        From `build_catalog`, `run_catalog` or `read_catalog`.
    style : {"apogee", "gaia"}
        `TEFF`, `TEFF_ERR` (mean, standard deviation) and so on, or `teff`, `teff_lower`,
        `teff_upper` (median, 16 and 84 % quantile).

    Returns
    -------
    QTable
        The table with these columns at its end.

    Raises
    ------
    UserError
        If the style is unknown.
    """
    if style not in STYLES:
        raise UserError(f"column names in the style of {style!r}: use {' or '.join(STYLES)}")
    names, suffixes = STYLES[style]
    out = table.copy(copy_data=False)
    for ours, theirs in names.items():
        for suffix, ending in suffixes.items():
            if (source := f"{ours}_{suffix}") in table.colnames:
                out[theirs + ending] = table[source]
                out[theirs + ending].info.description = f"{source} once more"
    return out
