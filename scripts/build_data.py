"""Make everything that the package ships from the raw data folder.

    python scripts/build_data.py DATA

DATA holds the public files that NOTICE.md lists. Scripts of their own make the isochrone grid
(`build_grid.py`), the absolute magnitudes (`build_absolute_magnitude.py`), and
`models/apokasc-mass` (`build_models.py`).
"""

import gzip
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from bayescannon.labels import Scaling
from bayescannon.model import Model
from bayescannon.recipe import Recipe
from bayescannon.spectra import pixel_index

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "bayescannon" / "data"
DROPPED_COLUMNS = [
    *("teff_err", "feh_err", "afe_err", "mh", "age_max", "teff_aspcap", "logg_aspcap"),
    *("teff_spec_err", "logg_spec_err", "feh_spec_err", "afe_spec_err"),
]
"""Calibration floors, bounds and duplicates that nothing here uses."""

PAPER_BOX = np.array([[4054.0, 1.35, -0.85, -0.03], [5120.0, 3.30, 0.30, 0.30]])
"""Ness et al. 2016, section 4: the range of the labels of its training set."""

CARD = """# apogee-dr12-four-label

Teff, log g, [Fe/H] and [alpha/Fe] of red giants from APOGEE DR12 spectra (7214 pixels).

**Trained by others, on real spectra.** The coefficients and the scatter are those of the
four-label Cannon in the repository jobovy/apogee (BSD-3), trained on 1801 real APOGEE DR12
spectra; wavelengths and the continuum mask come from tingyuansen/The_Payne (MIT). We changed the
layout, not the numbers: the labels are scaled by 250 K, 0.5, 0.25 and 0.08, which the coefficients
absorb. The pivots are the published baseline (4500 K, 2.0, -0.3, 0.05).

**For** a first look at real giants, and for making semi-synthetic spectra.

**Limits.** Neither the training labels nor their range were published with the coefficients. The
range here is the box of Ness et al. 2016 (4054-5120 K, 1.35-3.30, -0.85-0.30, -0.03-0.30), inside
which the `flat` prior is flat and outside which stars are flagged. There is no `population` prior.
The quoted widths are formal errors with no residual factors: expect them to be several times too
small, as in the paper.
"""


def build_four_label(data: Path) -> None:
    source = np.load(data / "cannon4" / "apogee_dr12_four_label.npz")
    recipe = Recipe.loads(
        'name = "apogee-dr12-four-label"\n'
        "[labels]\nnames = ['teff', 'logg', 'feh', 'afe']\n"
        "[inference]\nprior = 'flat'\n"
    )
    # scales that bring labels to order one; the coefficients absorb them exactly
    scale = np.array([250.0, 0.5, 0.25, 0.08])
    power = np.concatenate(
        [[1.0], scale, [scale[i] * scale[j] for i in range(4) for j in range(i, 4)]]
    )
    Model(
        recipe=recipe,
        scaling=Scaling(source["baseline_labels"], scale),
        label_range=PAPER_BOX,
        wavelength=source["wavelength"],
        coefficients=source["coefficients"].T * power,
        scatter=source["scatter"],
        usable=np.isfinite(source["scatter"]) & (source["scatter"] > 0),
        factors=np.zeros((source["scatter"].size, 0)),
        card=CARD,
        report={"stars": 1801, "trained by": "jobovy/apogee"},
    ).save(ROOT / "models" / "apogee-dr12-four-label", overwrite=True)


def build_lines(data: Path) -> None:
    windows = np.load(data / "lines" / "element_windows.npz")
    np.savez_compressed(SHIPPED / "element_windows.npz", **windows)
    source = np.load(data / "cannon4" / "apogee_dr12_four_label.npz")
    lists = np.load(data / "lines" / "continuum_pixel_lists.npz")
    payne = pixel_index(source["wavelength"])[source["continuum_pixels"]]
    np.savez_compressed(SHIPPED / "continuum_pixels.npz", the_payne=payne, **lists)
    lines = Table.read(data / "lines" / "line_identifications.ecsv")
    lines.keep_columns(["wavelength", "species"])
    lines.write(SHIPPED / "lines.ecsv", overwrite=True)


def build_labels(data: Path) -> None:
    table = Table.read(data / "labels" / "apokasc1639.ecsv")
    table.remove_columns(DROPPED_COLUMNS)
    table.rename_column("apogee_id", "star_id")
    for name in table.colnames:
        if table[name].dtype.kind == "f":
            table[name] = np.asarray(table[name], float).round(6)
    table.write(SHIPPED / "apokasc.ecsv", overwrite=True)


def build_sky(data: Path) -> None:
    """Keep the ids as they are; gzipped without a date."""
    ids = gzip.decompress((data / "sky" / "apogee_dr12_red_clump_ids.txt.gz").read_bytes())
    target = SHIPPED / "clump_ids.txt.gz"
    with open(target, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        packed.write(ids)


def build_test_spectra(data: Path) -> None:
    """Keep the HDUs that are read (0 to 3), all rows, gzipped without a date."""
    target = ROOT / "tests" / "data"
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted((data / "spectra").glob("*.fits")):
        if path.name.startswith("aspcapStar") and "2M00452143" not in path.name:
            continue
        with fits.open(path) as hdus:
            short = fits.HDUList([hdu.copy() for hdu in hdus[:4]])
            for hdu in short[1:]:
                if hdu.data.dtype.itemsize == 8:
                    kind = np.int16 if hdu.data.dtype.kind == "i" else np.float32
                    hdu.data = hdu.data.astype(kind)
            plain = target / path.name
            short.writeto(plain, overwrite=True, output_verify="silentfix")
        with open(f"{plain}.gz", "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
            packed.write(plain.read_bytes())
        plain.unlink()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    for build in (build_four_label, build_lines, build_labels, build_sky, build_test_spectra):
        build(folder)
