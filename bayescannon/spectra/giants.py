"""The real giants whose catalogue abundances, states and seismic masses are known."""

import numpy as np
from astropy.table import Table

from bayescannon.data import apokasc
from bayescannon.spectra.abundances import to_channels
from bayescannon.spectra.container import Spectra

COLUMNS = ("teff_spec", "logg_spec", "feh_spec", "afe_spec", "c_m", "n_m")


def real_giants(mass: str = "mass_apokasc2") -> tuple[Spectra, Table, np.ndarray]:
    """Channels, labels (with errors) and states of the 1502 real giants with abundances.

    Parameters
    ----------
    mass : {"mass_apokasc2", "mass"}
        Corrected (NaN for 110 of them) or plain scaling-relation masses.
    """
    real = apokasc()
    x = np.column_stack([_numbers(real, name) for name in COLUMNS])
    use = np.isfinite(x).all(axis=1)
    x, real = x[use], real[use]
    spectra = to_channels(x, np.full(x.shape, np.nan), np.asarray(real["star_id"], str))
    labels = Table({"star_id": spectra.star_id})
    for i, name in enumerate(("teff", "logg", "feh", "afe")):
        labels[name] = x[:, i]
    labels["mass"] = _numbers(real, mass)
    sides = ("mass_errp", "mass_errm") if mass == "mass" else (f"{mass}_err",)
    labels["mass_err"] = np.mean([_numbers(real, side) for side in sides], axis=0)
    return spectra, labels, np.char.lower(np.asarray(real["evstate"], str))


def _numbers(table: Table, name: str) -> np.ndarray:
    return np.ma.filled(np.ma.asarray(table[name]).astype(float), np.nan)
