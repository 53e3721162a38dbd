"""Ten-fold cross-validation on 400 real DR12 giants x 100 pixels, beside a plain Cannon.

    python -m benchmarks.cannon_400x100

Labels: ASPCAP's Teff, log g, [M/H]. Ours runs through the public API, under both priors; the
plain Cannon is TheCannon 0.7.3 of PyPI, installed into a throw-away environment (needs a
package index), on the same folds in the same run. Data: andycasey/AnniesLasso (MIT), see NOTICE.md.
"""

import tempfile
from pathlib import Path

import numpy as np
from astropy.table import Table

import bayescannon as bc
from benchmarks.peers import THE_CANNON, environment, run

HERE = Path(__file__).parent
NAMES = ("teff", "logg", "mh")


def main() -> None:
    """Run both and print the table of the README."""
    with np.load(HERE.parent / "data" / "apogee_dr12_giants_400x100.npz") as stored:
        flux, error, labels = stored["flux"], stored["flux_err"], stored["labels"].astype(float)
    good = np.isfinite(flux) & np.isfinite(error) & (error > 0)
    ivar = np.where(good, 1.0 / np.where(good, error, 1.0) ** 2, 0.0)
    flux = np.where(good, flux, 1.0)
    star_id = [f"star-{i}" for i in range(len(flux))]
    spectra = bc.Spectra(np.linspace(15168.0, 15189.0, flux.shape[1]), flux, ivar, star_id)
    table = Table({"star_id": star_id, **dict(zip(NAMES, labels.T, strict=True))})
    rows, fold = [], np.zeros(len(flux), int)
    for prior in ("population", "flat"):
        found = bc.cross_validate(spectra, table, recipe(prior), folds=10, seed=0)
        fold = found.fold
        rows.append((f"bayescannon, {prior} prior", found.mean, found.sd))
    rows.append(("TheCannon 0.7.3", *the_cannon(flux, ivar, labels, fold)))
    print("| 400 stars, ten-fold | rms Teff, log g, [M/H] | robust (1.48 MAD) | error / sd |")
    print("|---|---|---|---|")
    for name, mean, sd in rows:
        off = mean - labels
        if not np.isfinite(off).all():
            raise SystemExit(f"{name}: some stars have no result")
        rms, width = np.sqrt(np.mean(off**2, axis=0)), np.std(off / sd, axis=0)
        robust = 1.4826 * np.median(np.abs(off - np.median(off, axis=0)), axis=0)
        print(
            f"| {name} | {rms[0]:.0f} K, {rms[1]:.3f}, {rms[2]:.3f} | "
            f"{robust[0]:.0f} K, {robust[1]:.3f}, {robust[2]:.3f} | "
            f"{width[0]:.2f}, {width[1]:.2f}, {width[2]:.2f} |"
        )


def recipe(prior: str) -> bc.Recipe:
    """Three labels, quadratic; everything else by default."""
    names = ", ".join(f'"{name}"' for name in NAMES)
    return bc.Recipe.loads(
        f'name = "400x100"\n[labels]\nnames = [{names}]\n[inference]\nprior = "{prior}"\n'
    )


def the_cannon(flux, ivar, labels, fold) -> tuple[np.ndarray, np.ndarray]:
    """Run `folds_the_cannon.py` in an environment that is thrown away."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        python = environment(folder / "env", THE_CANNON)
        np.savez(folder / "in.npz", flux=flux, ivar=ivar, labels=labels, fold=fold)
        run(python, HERE / "folds_the_cannon.py", folder / "in.npz", folder / "out.npz")
        with np.load(folder / "out.npz") as stored:
            return stored["mean"], stored["sd"]


if __name__ == "__main__":
    main()
