"""From one wavelength grid to another: by pixel on APOGEE's axis, else resampled by specutils."""

import warnings

import numpy as np

from bayescannon.errors import UserError
from bayescannon.spectra.grid import (
    apogee_wavelength,
    pixel_index,
    pixel_index_of_size,
    place,
)


class CovarianceWarning(UserWarning):
    """Resampled pixels share photons: their errors are correlated, and ivar does not say so."""


def require_specutils():
    """Return the specutils package.

    Raises
    ------
    UserError
        If it is not installed.
    """
    try:
        import specutils
    except ImportError as error:
        raise UserError("this needs specutils: pip install 'bayescannon[specutils]'") from error
    return specutils


def resample_flux(
    wavelength: np.ndarray, flux: np.ndarray, ivar: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Resample flux densities so that the flux in every bin is conserved (Carnall 2017).

    Parameters
    ----------
    wavelength : (pixel,)
        Wavelengths of `flux`, increasing [Angstrom].
    flux, ivar : (star, pixel)
        Flux density and inverse variance; 0 = not measured.
    target : (target_pixel,)
        Wavelengths that are wanted, increasing [Angstrom].

    Returns
    -------
    flux, ivar : (star, target_pixel)
        ivar is 0 where a pixel that was not measured, or nothing, contributes.

    Raises
    ------
    UserError
        If specutils is not installed.

    Warns
    -----
    CovarianceWarning
        Always: neighbouring pixels of the result are correlated.
    """
    require_specutils()
    from astropy import units as u
    from astropy.nddata import VarianceUncertainty
    from specutils import Spectrum
    from specutils.manipulation import FluxConservingResampler

    warnings.warn(
        "resampled spectra have correlated pixels, which ivar does not hold: chi2 and formal "
        "errors will be too small",
        CovarianceWarning,
        stacklevel=2,
    )
    resampler = FluxConservingResampler(extrapolation_treatment="zero_fill")
    good = (ivar > 0) & np.isfinite(flux) & np.isfinite(ivar)
    out_flux, out_ivar = np.zeros((2, len(flux), len(target)))
    wanted, unit = target * u.AA, u.dimensionless_unscaled
    inside = (target >= wavelength[0]) & (target <= wavelength[-1])
    for star, ok in enumerate(good):
        variance = 1.0 / np.where(ok, ivar[star], 1.0)
        given = Spectrum(
            spectral_axis=wavelength * u.AA,
            flux=np.where(ok, flux[star], 0.0) * unit,
            uncertainty=VarianceUncertainty(variance),
        )
        lost = Spectrum(spectral_axis=wavelength * u.AA, flux=np.where(ok, 0.0, 1.0) * unit)
        with np.errstate(divide="ignore", invalid="ignore"):  # outside, where nothing is given
            made = resampler(given, wanted)
            use = inside & (resampler(lost, wanted).flux.value == 0)
            variance = made.uncertainty.represent_as(VarianceUncertainty).array
        use &= np.isfinite(variance) & (variance > 0)
        out_flux[star, use] = made.flux.value[use]
        out_ivar[star, use] = 1.0 / variance[use]
    return out_flux, out_ivar


def to_grid(
    wavelength: np.ndarray | None, flux: np.ndarray, ivar: np.ndarray, size: int, resample: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give wavelength, flux and ivar on the APOGEE grid of `size` pixels; see `Spectra.to_grid`."""
    if wavelength is None:
        raise UserError("channels have no wavelength: they cannot be moved to a grid")
    target = apogee_wavelength(size)
    try:
        given = pixel_index(wavelength)
    except UserError:
        if not resample:
            raise
        return target, *resample_flux(wavelength, flux, ivar, target)
    flux, ivar = place(given, pixel_index_of_size(size), flux, ivar)
    return target, flux, ivar
