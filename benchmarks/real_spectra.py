"""Do posteriors hold on real spectra? Ten-fold cross-validation against catalogue labels.

    python -m benchmarks.real_spectra --set apogee
    python -m benchmarks.real_spectra --set miles --file miles_giants.npz

`apogee`: 400 DR12 giants x 100 pixels (andycasey/AnniesLasso, MIT; in tests/data). `miles`: 228
giants of the MILES library (Sanchez-Blazquez et al. 2006), an `.npz` with `flux`, `teff`, `logg`,
`feh`. Catalogue labels have errors: those stated, times what training found them to be, are
convolved with every posterior before it is judged.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from astropy.table import Table
from scipy.ndimage import gaussian_filter1d

import bayescannon as bc

NAMES = ("teff", "logg", "feh")
APOGEE = Path(__file__).parents[1] / "tests" / "data" / "apogee_dr12_giants_400x100.npz"
SHOWN = {"teff": ("Teff [K]", 0), "logg": ("log g [dex]", 3), "feh": ("[Fe/H] [dex]", 3)}
SETS = {
    "apogee": "APOGEE DR12 giants, 100 pixels",
    "miles": "MILES giants, optical spectra",
}
STATED = {"apogee": (60.0, 0.10, 0.04), "miles": (60.0, 0.18, 0.09)}
CONTINUUM, INSIDE = 55, slice(300, 4000)
"""Width of the running continuum of MILES spectra [pixels], and the pixels that are used."""


def load_apogee(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flux, inverse variance (star, pixel) and labels (star, label)."""
    with np.load(path) as stored:
        flux, error, labels = stored["flux"], stored["flux_err"], stored["labels"].astype(float)
    good = np.isfinite(flux) & np.isfinite(error) & (error > 0)
    ivar = np.where(good, 1.0 / np.where(good, error, 1.0) ** 2, 0.0)
    return np.where(good, flux, 1.0), ivar, labels


def load_miles(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `load_apogee`; photon errors are not published: 1 % stands in."""
    with np.load(path) as stored:
        flux = stored["flux"].astype(float)
        labels = np.column_stack([stored[name] for name in NAMES]).astype(float)
    flux = (flux / gaussian_filter1d(flux, CONTINUUM, axis=1))[:, INSIDE]
    return flux, np.full(flux.shape, 1e4), labels


def recipe(prior: str, scale: float, stated: tuple[float, ...], noisy: bool = True) -> bc.Recipe:
    """Three labels, quadratic; everything else by default."""
    errors = ", ".join(f"{n} = {scale * e!r}" for n, e in zip(NAMES, stated, strict=True))
    return bc.Recipe.loads(
        f'name = "real"\n[labels]\nnames = ["teff", "logg", "feh"]\n[training]\n'
        f"noisy_labels = {str(noisy).lower()}\nlabel_errors = {{ {errors} }}\n"
        f'[inference]\nprior = "{prior}"\n'
    )


def judge(found, where: str, command: str) -> list[dict[str, str | int]]:
    """Rms, z, and shares in central intervals of each label, catalogue errors convolved."""
    rng = np.random.default_rng(0)
    draws = found.draws + rng.normal(size=found.draws.shape) * found.error[:, None]
    off, rank = found.mean - found.truth, (draws < found.truth[:, None]).mean(axis=1)
    z = off / draws.std(axis=1)
    rows = []
    for i, name in enumerate(found.labels):
        held = {k: np.mean(np.abs(rank[:, i] - 0.5) < k / 200) for k in (50, 68, 90, 95)}
        words, digits = SHOWN[name]
        rows.append(
            {"set": where, "label": words, "n": len(off)}
            | {
                "rms": f"{np.sqrt(np.mean(off[:, i] ** 2)):.{digits}f}",
                "z": f"{np.std(z[:, i]):.2f}",
            }
            | {f"in{k}": f"{100 * share:.0f} %" for k, share in held.items()}
            | {"sd": f"{np.median(found.sd[:, i]):.{digits}f}", "command": command}
        )
    return rows


def main() -> None:
    """Cross-validate and print one line a label."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", choices=STATED, default="apogee", dest="which")
    parser.add_argument("--file", type=Path, default=APOGEE)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--stars", type=int, help="train on so many of the stars at most")
    parser.add_argument("--prior", default="population")
    parser.add_argument("--stated", type=float, default=1.0, help="stated errors, times this")
    parser.add_argument("--json", type=Path, help="file for the rows of docs/results")
    parser.add_argument("--plain", action="store_true", help="the plain Cannon instead")
    asked = parser.parse_args()
    load = load_apogee if asked.which == "apogee" else load_miles
    flux, ivar, labels = load(asked.file)
    if asked.stars:
        chosen = np.random.default_rng(0).permutation(len(flux))[: asked.stars]
        flux, ivar, labels = flux[chosen], ivar[chosen], labels[chosen]
    star_id = [f"star-{i}" for i in range(len(flux))]
    spectra = bc.Spectra(np.linspace(15000.0, 16000.0, flux.shape[1]), flux, ivar, star_id)
    table = Table({"star_id": star_id, **dict(zip(NAMES, labels.T, strict=True))})
    settings = recipe(asked.prior, asked.stated, STATED[asked.which], not asked.plain)
    begin = time.perf_counter()
    found = bc.cross_validate(spectra, table, settings, folds=asked.folds, seed=0)
    print(f"{asked.which}: {len(flux)} stars x {flux.shape[1]} pixels, {asked.folds} folds, "
          f"{asked.prior} prior, errors stated x {asked.stated:g}: "
          f"{time.perf_counter() - begin:.0f} s")  # fmt: skip
    rows = judge(found, SETS[asked.which], f"python -m {__spec__.name} --set {asked.which}")
    for row in rows:
        print(", ".join(f"{k} {v}" for k, v in row.items() if k not in ("set", "command")))
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
