"""Stars that single-star evolution cannot explain: merged, fed, or stripped."""

import numpy as np
from astropy import units as u
from astropy.table import QTable

from ..flags import Flag

ALPHA_RICH = 0.13
YOUNG = 6.0
"""Alpha-rich [dex] and young [Gyr], limits of our choice."""
SURE = 0.84


def flag_not_single(table: QTable) -> QTable:
    """Raise `NOT_SINGLE_STAR` in a catalogue with ages; the same table is returned.

    Raised where the median [alpha/Fe] is above 0.13 dex while the 84 % quantile of age is below
    6 Gyr, and where the mass lies below the oldest isochrone's with probability above 0.84.
    """
    young = (table["afe_q50"] > ALPHA_RICH * u.dex) & (table["age_q84"] < YOUNG * u.Gyr)
    stripped = np.asarray(table["p_trunc"]) > SURE
    table["flags"] = table["flags"] | np.where(young | stripped, int(Flag.NOT_SINGLE_STAR), 0)
    return table
