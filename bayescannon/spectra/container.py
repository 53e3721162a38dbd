"""`Spectra`: flux and inverse variance of many stars on one axis, in memory or on disk.

Inference needs the arrays only: what reads, writes and converts is loaded by the method that does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from astropy.table import Table

from bayescannon.errors import UserError, plural, reason
from bayescannon.plain import bare
from bayescannon.star_ids import as_ids, check_unique

SIMULATED = "semi_synthetic"
"""Column that says which stars were simulated."""
AXES = ("star_id", "wavelength", "channel")
UNIT = "flux_unit"
"""Attribute of a store whose fluxes are in another unit than they were given in."""


class Spectra:
    """Flux and inverse variance of stars on one common axis.

    A flux or ivar that is masked or not finite, or an ivar below zero, reads as not measured.
    A store that was opened stays on disk: slices are lazy, `flux` and `ivar` load.

    Parameters
    ----------
    wavelength : array (pixel,) or None
        Rest-frame vacuum wavelength [Angstrom, or with a unit], increasing. None with `channel`
        instead.
    flux : array (star, pixel)
        Continuum-normalised flux (or the value of each channel).
    ivar : array (star, pixel)
        Inverse variance of `flux`; 0 marks a value that was not measured.
    star_id : array of str (star,)
        Unique names: of words, bytes or integers. Further spectra of star X are `X#2`, `X#3`.
    channel : sequence of str (pixel,), optional
        Names of the "pixels" when they are no wavelengths (catalogue abundances).
    columns : mapping of str to array (star,), optional
        What else is known of each star (S/N, flags, source file).

    Raises
    ------
    UserError
        If shapes do not fit, a `star_id` repeats, or the axis is missing or not increasing.
    """

    def __init__(self, wavelength, flux, ivar, star_id, *, channel=None, columns=None):
        star_id = as_ids(star_id)
        masked = np.ma.getmask(flux) | np.ma.getmask(ivar)
        flux, ivar = np.atleast_2d(np.asarray(flux)), np.atleast_2d(np.asarray(ivar))
        axis = _axis_of(wavelength, channel)
        expected = (len(star_id), axis.size)
        for name, array in (("flux", flux), ("ivar", ivar)):
            if array.shape != expected:
                asked = f"star_id and the axis ask for {expected}"
                raise UserError(f"{name} has shape {array.shape}, but {asked}")
        ivar = np.where(masked, 0, ivar) if np.any(masked) else ivar
        check_unique(star_id)
        self.data = xr.Dataset(
            {"flux": (("star", "pixel"), flux), "ivar": (("star", "pixel"), ivar)},
            coords={"star_id": ("star", star_id), axis.name: ("pixel", axis.values)},
        )
        self.data = self.with_columns(dict(columns or {})).data

    @classmethod
    def _of(cls, data: xr.Dataset) -> Spectra:
        spectra = cls.__new__(cls)
        spectra.data = data
        return spectra

    @classmethod
    def open(cls, path: str | os.PathLike) -> Spectra:
        """Open a store that `save` or `bayescannon ingest` wrote; its fluxes are not read yet.

        Raises
        ------
        UserError
            If there is no such store, or it holds something else.
        """
        from bayescannon.spectra.dataset import open_dataset

        return cls._of(open_dataset(path))

    def save(self, path: str | os.PathLike, overwrite: bool = False) -> None:
        """Write a Zarr store, float32, chunked by star.

        Fluxes that single precision cannot hold with their ivar, such as those in erg/s/cm2/A,
        are stored in another unit, a power of two that `open` puts back.

        Parameters
        ----------
        path : path
            Folder to write.
        overwrite : bool
            Replace a spectra store that is there, once the new one is complete.

        Raises
        ------
        UserError
            If something else is there, nothing may be written there, or the values of a star
            span more than single precision holds.
        """
        from bayescannon.spectra.dataset import in_single, save_dataset

        save_dataset(in_single(self.data, *self.arrays(), UNIT), path, overwrite)

    def __len__(self) -> int:
        return self.data.sizes["star"]

    def __getitem__(self, rows) -> Spectra:
        """Select stars by slice, positions or mask; a store stays lazy."""
        rows = [int(rows)] if isinstance(rows, int | np.integer) else rows
        return Spectra._of(self.data.isel(star=rows))

    def every(self, stride: int) -> Spectra:
        """Keep every `stride`-th pixel; a store stays lazy."""
        return self if stride == 1 else Spectra._of(self.data.isel(pixel=slice(None, None, stride)))

    def __repr__(self) -> str:
        pixels = plural(self.data.sizes["pixel"], "pixel")
        return f"<Spectra: {plural(len(self), 'star')} x {pixels}>"

    @property
    def star_id(self) -> np.ndarray:
        """Names of the stars, (star,)."""
        return bare(self.data.star_id.values)

    @property
    def wavelength(self) -> np.ndarray | None:
        """Vacuum wavelength [Angstrom], (pixel,); None where channels are used."""
        return self.data.wavelength.values if "wavelength" in self.data.coords else None

    @property
    def channel(self) -> list[str] | None:
        """Names of the channels, or None where the axis is wavelength."""
        return [str(c) for c in self.data.channel.values] if "channel" in self.data.coords else None

    @property
    def flux(self) -> np.ndarray:
        """Flux, float64 (star, pixel); 0 where not measured."""
        return self.arrays()[0]

    @property
    def ivar(self) -> np.ndarray:
        """Inverse variance, float64 (star, pixel); 0 where not measured."""
        return self.arrays()[1]

    @property
    def precision(self) -> np.dtype:
        """What the fluxes are held in: float32 in a store, unless that cannot hold them."""
        return np.dtype(float) if UNIT in self.data.attrs else self.data.flux.dtype

    def arrays(self, dtype=np.float64, max_error=np.inf) -> tuple[np.ndarray, np.ndarray]:
        """Load (flux, ivar); values that were not measured are set to 0 in both.

        Parameters
        ----------
        dtype : numpy dtype
        max_error : float
            A value whose error is larger, in the unit of flux, is not measured.

        Raises
        ------
        UserError
            If a store is damaged.
        """
        dtype = np.result_type(dtype, self.precision) if UNIT in self.data.attrs else dtype
        try:
            flux = self.data.flux.values.astype(dtype)
            ivar = self.data.ivar.values.astype(dtype)
        except (OSError, RuntimeError, ValueError) as error:  # a damaged chunk, says its codec
            first, last = self.star_id[[0, -1]]
            lost = f"the spectra of stars {first} to {last} cannot be read ({reason(error)})"
            raise UserError(f"{lost}: restore the store") from error
        bad = ~(np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0) & (ivar >= max_error**-2.0))
        flux[bad] = 0.0
        ivar[bad] = 0.0
        unit = self.data.attrs.get(UNIT, 1)
        return (flux, ivar) if unit == 1 else (flux * unit, ivar / unit**2)

    def with_columns(self, columns: Mapping[str, Any]) -> Spectra:
        """Add what else is known of each star, (star, ...) each; replaces columns of that name."""
        data = self.data
        for name, given in columns.items():
            values = bare(np.ma.asarray(given))
            if name in (*data, *AXES) or values.shape[:1] != (len(self),):
                raise UserError(f"column {name!r} has shape {values.shape}: give one row a star")
            dims = ("star", *(f"{name}_{k}" for k in range(1, values.ndim)))
            data = data.assign_coords({name: (dims, values)})
        return Spectra._of(data)

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """What else is known of each star: name to array (star, ...); ingested stores have some."""
        return {name: self.column(name) for name in self.column_names}

    @property
    def column_names(self) -> list[str]:
        """Names of the columns."""
        return [str(name) for name in self.data.coords if name not in AXES]

    def column(self, name) -> np.ndarray:
        """One of the columns, (star, ...); of a store no other is read."""
        return bare(self.data[name].values)

    @property
    def bad_star(self) -> np.ndarray | None:
        """Whether the survey's flags say that a star is bad, bool (star,); None if unknown."""
        return self.data["bad_star"].values if "bad_star" in self.data.coords else None

    @property
    def semi_synthetic(self) -> bool:
        """Whether any star was simulated; all that is made of such spectra says so."""
        return SIMULATED in self.column_names and bool(self.column(SIMULATED).any())

    @classmethod
    def from_table(cls, table: Any) -> Spectra:
        """Take spectra from a table with one row a star; see `tables.from_table`."""
        from bayescannon.spectra.tables import from_table

        return cls(**from_table(table))

    def to_table(self) -> Table:
        """Lay out as a table with one row a star; see `tables.to_table`."""
        from bayescannon.spectra.tables import AXES, to_table

        name = AXES[self.wavelength is None]
        return to_table(name, self.data[name].values, *self.arrays(), self.star_id, self.columns)

    @classmethod
    def from_specutils(cls, spectrum, star_id) -> Spectra:
        """Take spectra from a specutils `Spectrum`; see `tables.from_specutils`."""
        from bayescannon.spectra.tables import from_specutils

        return cls(**from_specutils(spectrum, star_id))

    def to_specutils(self):
        """View as one specutils `Spectrum`, flux (star, pixel); see `tables.to_specutils`."""
        from bayescannon.spectra.tables import to_specutils

        return to_specutils(self.wavelength, *self.arrays(), self.star_id)

    def to_grid(self, size: int, resample: bool = False) -> Spectra:
        """Move to another APOGEE grid.

        Parameters
        ----------
        size : {8575, 7514, 7214}
            The grid, named by its number of pixels.
        resample : bool
            Resample, with a `CovarianceWarning`, what is not on APOGEE's log-linear axis.

        Returns
        -------
        Spectra
            Exact, by pixel index, where the wavelengths are on the axis; ivar 0 where the
            spectra have no pixel.

        Raises
        ------
        UserError
            If the wavelengths are not on the axis and `resample` is not set.
        """
        from bayescannon.spectra.resample import to_grid

        wavelength, flux, ivar = to_grid(self.wavelength, *self.arrays(), size, resample)
        return Spectra(wavelength, flux, ivar, self.star_id, columns=self.columns)

    def snr(self) -> np.ndarray:
        """Median signal-to-noise per measured pixel, (star,); 0 for a star without any."""
        flux, ivar = self.arrays()
        ratio = np.where(ivar > 0, flux * np.sqrt(ivar), np.nan)
        ratio[~(ivar > 0).any(axis=1)] = 0.0
        return np.nanmedian(ratio, axis=1)


def _axis_of(wavelength, channel) -> xr.DataArray:
    """The axis `wavelength` [Angstrom] or `channel`, (pixel,); a UserError where it is neither."""
    if (wavelength is None) == (channel is None):
        raise UserError("give either wavelength or channel names, not both and not neither")
    if channel is not None:
        names = bare(np.asarray(channel)).astype(str)
        check_unique(names, "channel")
        return xr.DataArray(names, dims="pixel", name="channel")
    if getattr(wavelength, "unit", None) is not None:
        from bayescannon.units import in_angstrom

        wavelength = in_angstrom(wavelength)
    values = np.asarray(wavelength, float)
    if values.ndim != 1 or not (np.isfinite(values).all() and (np.diff(values) > 0).all()):
        raise UserError("wavelength must be one-dimensional, finite and increasing")
    return xr.DataArray(values, dims="pixel", name="wavelength")
