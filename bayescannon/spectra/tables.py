"""Spectra as astropy tables and as specutils' `Spectrum`, there and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy import units as u
from astropy.nddata import InverseVariance
from astropy.table import Table

from bayescannon.columns import need
from bayescannon.errors import UserError
from bayescannon.plain import plain
from bayescannon.spectra.resample import require_specutils
from bayescannon.star_ids import as_ids, fits_ids
from bayescannon.tables import as_table
from bayescannon.units import in_angstrom

AXES = ("wavelength", "channel")


def to_table(
    name: str,
    axis: np.ndarray,
    flux: np.ndarray,
    ivar: np.ndarray,
    star_id: np.ndarray,
    columns: Mapping[str, np.ndarray],
) -> Table:
    """Lay out spectra as a table that FITS can hold (ECSV only some 5000 pixels of it).

    Parameters
    ----------
    name : {"wavelength", "channel"}
        What the axis is.
    axis : (pixel,)
        Wavelengths [Angstrom], or names of channels.
    flux, ivar : (star, pixel)
    star_id : (star,)
    columns : mapping of str to (star,)
        Further columns.

    Returns
    -------
    Table
        One row a star: `star_id`; `wavelength` [Angstrom] or `channel`, `flux` and `ivar` of
        shape (pixel,) each; and the further columns.
    """
    column = Table.Column(np.tile(axis, (len(star_id), 1)), name=name)
    column.unit = u.AA if name == "wavelength" else None
    names = ("star_id", name, "flux", "ivar")
    table = Table([fits_ids(star_id), column, flux, ivar], names=names)
    for name, values in columns.items():
        table[name] = values
    return table


def from_table(table: Any) -> dict[str, Any]:
    """Find the arguments of `Spectra` in a table with one row a star.

    Parameters
    ----------
    table : Table
        Names in any case: `star_id`; `wavelength` (Angstrom unless it has a unit) or `channel`,
        alike in every row; `flux`; and `ivar` or the standard deviation `flux_err`. Other columns
        are kept.

    Raises
    ------
    UserError
        If a column is missing, or rows lie on different wavelengths.
    """
    table = as_table(table)
    star_id, flux = need(table, "star_id"), need(table, "flux")
    error, axis = need(table, "ivar", "flux_err"), need(table, *AXES)
    is_wavelength = axis.lower() == "wavelength"
    values = table[axis]
    if is_wavelength and getattr(values, "unit", None) is not None:
        values = in_angstrom(values)
    rows = np.atleast_2d(_values(values))
    if len(rows) == 0 or (rows != rows[0]).any():
        raise UserError(f"column {axis!r} must be there and be the same in every row")
    ivar = _values(table[error])
    if error.lower() == "flux_err":
        with np.errstate(divide="ignore"):
            ivar = np.where(ivar > 0, ivar**-2.0, 0.0)
    used = {star_id, flux, error, axis}
    return {
        "wavelength": rows[0] if is_wavelength else None,
        "channel": None if is_wavelength else rows[0],
        "flux": _values(table[flux]),
        "ivar": ivar,
        "star_id": as_ids(table[star_id]),
        "columns": {name: _values(table[name]) for name in table.colnames if name not in used},
    }


def _values(column) -> np.ndarray:
    """Values without mask or unit; what is masked becomes NaN where that is possible."""
    values = plain(column)
    return values.filled(np.nan) if values.dtype.kind == "f" else np.ma.getdata(values)


def to_specutils(
    wavelength: np.ndarray | None, flux: np.ndarray, ivar: np.ndarray, star_id: np.ndarray
):
    """View spectra as one specutils `Spectrum`, flux (star, pixel).

    Parameters
    ----------
    wavelength : (pixel,) or None
        [Angstrom].
    flux, ivar : (star, pixel)
    star_id : (star,)
        Goes to `meta`.

    Raises
    ------
    UserError
        If specutils is not installed, or the axis is not wavelength.
    """
    specutils = require_specutils()
    if wavelength is None:
        raise UserError("channels have no wavelength: there is no Spectrum of them")
    return specutils.Spectrum(
        spectral_axis=wavelength * u.AA,
        flux=flux * u.dimensionless_unscaled,
        uncertainty=InverseVariance(ivar),
        mask=ivar == 0,
        meta={"star_id": star_id},
    )


def from_specutils(spectrum, star_id) -> dict[str, Any]:
    """Find the arguments of `Spectra` in a specutils `Spectrum`, one star or (star, pixel).

    Raises
    ------
    UserError
        If the spectrum has no uncertainty.
    """
    if spectrum.uncertainty is None:
        raise UserError("the Spectrum has no uncertainty: give it one")
    given = spectrum.uncertainty
    if not isinstance(given, InverseVariance):  # there and back again would cost the last digit
        with np.errstate(divide="ignore"):
            given = given.represent_as(InverseVariance)
    ivar = np.array(given.array, float)
    flux = np.array(spectrum.flux.value, float)
    if spectrum.mask is not None:
        ivar[np.broadcast_to(spectrum.mask, ivar.shape)] = 0.0
    wavelength = spectrum.spectral_axis.to_value(u.AA)
    order = slice(None, None, -1 if wavelength[0] > wavelength[-1] else 1)
    return {
        "wavelength": np.array(wavelength[order]),
        "flux": np.atleast_2d(flux)[:, order],
        "ivar": np.atleast_2d(ivar)[:, order],
        "star_id": as_ids(star_id),
    }
