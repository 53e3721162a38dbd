"""Do labels scatter between 25 visits of one real giant by their stated photon errors?

    python -m benchmarks.repeats_kic7037405 kic7037405_visits.npz

KIC 7037405, APOGEE 2013-14, S/N 56 to 199: fluxes on each visit's own vacuum wavelengths in the
observer's frame, normalised by others, S/N and radial velocities. The file (2.4 MB; MIT, of
savvytruffle/cauldron, spectra SDSS) does not ship. It has neither errors nor masks: errors are
1 / (S/N), and pixels of the observer's frame whose residuals between visits are three times as
large as is typical count as sky and are left out, as the survey's mask would. Half of the visits
learns the law for the other half, too.
"""

import sys

import numpy as np

import bayescannon as bc
from bayescannon.calibration.repeats import PhotonLaw
from bayescannon.cli.repeats import show
from bayescannon.data import model_path
from bayescannon.spectra import apogee_wavelength, chip_of, pixel_index_of_size
from bayescannon.spectra.continuum import design, divide, solve_continuum
from bayescannon.spectra.grid import LOG10_STEP
from bayescannon.spectra.ingest import continuum_mask
from bayescannon.validation.visits import label_scatter

LIGHT = 299_792.458
MODEL, SKY, MARGIN = "apogee-dr12-four-label", 3.0, 200


def main(path: str) -> None:
    """Print the table of `bayescannon repeats`, and what one half says of the other."""
    model = bc.Model.load(model_path(MODEL))
    spectra = read(path, model.recipe.pixels)
    show(bc.repeats(model, spectra))
    for learned, judged in ((0, 1), (1, 0)):
        half = bc.repeats(model, spectra[learned::2])
        law = PhotonLaw(half.photon_scale, half.photon_floor)
        found = label_scatter(model, spectra[judged::2], law)
        ratios = ", ".join(f"{name} {x.ratio:.2f}" for name, x in found.items())
        print(f"scatter / photon error of one half under the law of the other: {ratios}")


def read(path: str, pixels) -> bc.Spectra:
    """Move all visits to the star's frame and the grid, mask the sky, normalise."""
    with np.load(path) as stored:
        wavelength, flux = stored["wavelength_vacuum_observed"], stored["flux_normalised"]
        snr, velocity = stored["snr"], stored["rv_kms"]
    grid, index = apogee_wavelength(pixels.grid), pixel_index_of_size(pixels.grid)
    rows = zip(wavelength / (1 + velocity[:, None] / LIGHT), flux.astype(float), strict=True)
    on_grid, measured = map(np.array, zip(*(_average(*row, grid) for row in rows), strict=True))
    ivar = np.where(measured, snr[:, None] ** 2, 0.0)
    normalised, _ = _normalise(on_grid, ivar, pixels)
    shift = np.round(velocity / LIGHT / (np.log(10) * LOG10_STEP)).astype(int)
    place = index + MARGIN + shift[:, None]
    ivar[_sky(normalised, ivar, place)] = 0.0
    names = ["KIC7037405", *(f"KIC7037405#{k}" for k in range(2, len(flux) + 1))]
    return bc.Spectra(grid, *_normalise(on_grid, ivar, pixels), names)


def _average(wavelength, flux, grid) -> tuple[np.ndarray, np.ndarray]:
    """Mean flux in each pixel of the grid, and whether it was observed."""
    order = np.argsort(wavelength)
    wavelength, flux = wavelength[order], flux[order]
    edges, ends = _edges(wavelength), _edges(grid)
    whole = np.interp(ends, edges, np.concatenate([[0.0], np.cumsum(flux * np.diff(edges))]))
    gaps = np.flatnonzero(np.diff(wavelength) > 1)  # between detectors
    seen = (grid > wavelength[0]) & (grid < wavelength[-1])
    for k in gaps:
        seen &= (grid <= wavelength[k]) | (grid >= wavelength[k + 1])
    return np.diff(whole) / np.diff(ends), seen


def _edges(middle: np.ndarray) -> np.ndarray:
    inner = (middle[1:] + middle[:-1]) / 2
    return np.concatenate([[2 * middle[0] - inner[0]], inner, [2 * middle[-1] - inner[-1]]])


def _normalise(flux, ivar, pixels) -> tuple[np.ndarray, np.ndarray]:
    chip = chip_of(pixel_index_of_size(pixels.grid))
    fit = solve_continuum(flux, ivar, chip, continuum_mask(pixels), pixels.continuum_degree)
    return divide(flux, ivar, fit.coefficients, design(chip, pixels.continuum_degree))


def _sky(flux, ivar, place: np.ndarray) -> np.ndarray:
    """Which pixels lie where, in the observer's frame, visits differ far more than is typical."""
    off = np.asarray(flux) - np.median(flux, axis=0)
    off /= np.median(np.abs(off), axis=1, keepdims=True)
    good = ivar > 0
    square, count = np.zeros(place.max() + 1), np.zeros(place.max() + 1)
    np.add.at(square, place[good], off[good] ** 2)
    np.add.at(count, place[good], 1)
    rms = np.sqrt(square / np.maximum(count, 1))
    return (rms > SKY * np.median(rms[count > 0]))[place]


if __name__ == "__main__":
    main(*sys.argv[1:])
