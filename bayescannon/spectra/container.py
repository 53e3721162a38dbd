"""`Spectra`: flux and inverse variance of many stars on one axis, in memory or on disk."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import xarray as xr

from ..errors import UserError
from ..files import write_beside

STARS_PER_CHUNK = 512


class Spectra:
    """Flux and inverse variance of stars on one common axis.

    Parameters
    ----------
    wavelength : array (pixel,) or None
        Rest-frame vacuum wavelength [Angstrom], increasing. None with `channel` instead.
    flux : array (star, pixel)
        Continuum-normalised flux (or the value of each channel).
    ivar : array (star, pixel)
        Inverse variance of `flux`; 0 marks a value that was not measured.
    star_id : array of str (star,)
        Unique names.
    channel : sequence of str (pixel,), optional
        Names of the "pixels" when they are no wavelengths (catalogue abundances).

    Raises
    ------
    UserError
        If shapes do not fit, a `star_id` repeats, or the axis is missing or not increasing.

    Notes
    -----
    A flux or ivar that is not finite, or an ivar below zero, reads as not measured.
    A store that was opened stays on disk: slices are lazy, `flux` and `ivar` load.
    """

    def __init__(self, wavelength, flux, ivar, star_id, *, channel=None):
        star_id = np.atleast_1d(np.asarray(star_id, str))
        flux, ivar = np.atleast_2d(np.asarray(flux)), np.atleast_2d(np.asarray(ivar))
        axis = _axis(wavelength, channel)
        expected = (len(star_id), axis.size)
        for name, array in (("flux", flux), ("ivar", ivar)):
            if array.shape != expected:
                raise UserError(
                    f"{name} has shape {array.shape}, but star_id and the axis ask for {expected}"
                )
        _check_unique(star_id)
        self.data = xr.Dataset(
            {"flux": (("star", "pixel"), flux), "ivar": (("star", "pixel"), ivar)},
            coords={"star_id": ("star", star_id), axis.name: ("pixel", axis.values)},
        )

    @classmethod
    def _of(cls, data: xr.Dataset) -> Spectra:
        spectra = cls.__new__(cls)
        spectra.data = data
        return spectra

    @classmethod
    def open(cls, path: str | os.PathLike) -> Spectra:
        """Open a store without reading its fluxes.

        Parameters
        ----------
        path : path
            A folder that `save` or `bayescannon ingest` wrote.

        Raises
        ------
        UserError
            If there is no such store, or it holds something else.
        """
        if not Path(path).is_dir():
            raise UserError(f"{path}: no such spectra store; make one with `bayescannon ingest`")
        try:
            data = xr.open_zarr(path, chunks=None, consolidated=False)
            _check_unique(data.star_id.values)
            return cls._of(data[["flux", "ivar"]])
        except (KeyError, AttributeError, ValueError, FileNotFoundError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"{path}: not a spectra store ({error})") from error

    def save(self, path: str | os.PathLike) -> None:
        """Write a Zarr store, float32, chunked by star.

        Parameters
        ----------
        path : path
            Folder to write; an existing one is replaced once the new one is complete.
        """
        data = self.data.astype("float32").drop_encoding()
        chunk = {"star": min(STARS_PER_CHUNK, max(len(self), 1)), "pixel": data.sizes["pixel"]}
        encoding = {name: {"chunks": tuple(chunk.values())} for name in ("flux", "ivar")}
        with write_beside(path) as beside:
            data.to_zarr(beside, mode="w", consolidated=False, encoding=encoding)

    def __len__(self) -> int:
        return self.data.sizes["star"]

    def __getitem__(self, rows) -> Spectra:
        """Select stars by slice, positions or mask; a store stays lazy."""
        if isinstance(rows, int | np.integer):
            rows = [int(rows)]
        return Spectra._of(self.data.isel(star=rows))

    def __repr__(self) -> str:
        return f"<Spectra: {len(self)} stars x {self.data.sizes['pixel']} pixels>"

    @property
    def star_id(self) -> np.ndarray:
        """Names of the stars, (star,)."""
        return self.data.star_id.values.astype(str)

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

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Load (flux, ivar) as float64, values that were not measured set to 0 in both."""
        flux = self.data.flux.values.astype(np.float64)
        ivar = self.data.ivar.values.astype(np.float64)
        bad = ~(np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0))
        flux[bad] = 0.0
        ivar[bad] = 0.0
        return flux, ivar

    def snr(self) -> np.ndarray:
        """Median signal-to-noise per measured pixel, (star,); 0 for a star without any."""
        flux, ivar = self.arrays()
        ratio = np.where(ivar > 0, flux * np.sqrt(ivar), np.nan)
        some = np.isfinite(ratio).any(axis=1)
        out = np.zeros(len(self))
        out[some] = np.nanmedian(ratio[some], axis=1)
        return out


def _axis(wavelength, channel) -> xr.DataArray:
    if (wavelength is None) == (channel is None):
        raise UserError("give either wavelength or channel names, not both and not neither")
    if channel is not None:
        names = np.asarray(channel, str)
        _check_unique(names, "channel")
        return xr.DataArray(names, dims="pixel", name="channel")
    values = np.asarray(wavelength, float)
    if values.ndim != 1 or not (np.isfinite(values).all() and (np.diff(values) > 0).all()):
        raise UserError("wavelength must be one-dimensional, finite and increasing")
    return xr.DataArray(values, dims="pixel", name="wavelength")


def _check_unique(names: np.ndarray, what: str = "star_id") -> None:
    values, counts = np.unique(names, return_counts=True)
    if (counts > 1).any():
        repeated = values[counts > 1]
        raise UserError(
            f"{what} '{repeated[0]}' appears {counts.max()} times ({repeated.size} repeat): "
            "make them unique, for example by appending the field"
        )
