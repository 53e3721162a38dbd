"""Fit M_H + 2.5 log10 M of PARSEC giants by a quadratic in Teff, log g, [M/H], and ship it.

    python scripts/build_absolute_magnitude.py cmd34_11mh_5gyr.dat.gz

The table is output of the CMD web form: PARSEC v1.2S + COLIBRI, 11 [M/H] at 5 Gyr, with H
magnitudes in the system of Bessell & Brett. Giants of all stages count (label 3 and above).
"""

import gzip
import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from bayescannon.labels import monomials

SHIPPED = Path(__file__).parents[1] / "bayescannon" / "data" / "absolute_magnitude.json"
PIVOT, SCALE = np.array([4700.0, 2.4, -0.1]), np.array([250.0, 0.5, 0.25])
LOW, HIGH = np.array([3800.0, 0.8, -1.1]), np.array([5400.0, 3.6, 0.6])


def read(path: Path) -> dict[str, np.ndarray]:
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    names = next(line for line in lines if line.startswith("# Zini"))[1:].split()
    values = np.loadtxt([line for line in lines if not line.startswith("#")])
    return {name: values[:, i] for i, name in enumerate(names)}


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    path = Path(sys.argv[1])
    star = read(path)
    labels = np.column_stack([10 ** star["logTe"], star["logg"], star["MH"]])
    giant = (star["label"] >= 3) & ((labels > LOW) & (labels < HIGH)).all(axis=1)
    scaled = (labels[giant] - PIVOT) / SCALE
    terms = np.column_stack([np.ones(len(scaled)), scaled])[:, monomials(3)].prod(axis=-1)
    at_one_sun = (star["Hmag"] + 2.5 * np.log10(star["Mass"]))[giant]
    coefficients = np.linalg.lstsq(terms, at_one_sun, rcond=None)[0]
    residual = at_one_sun - terms @ coefficients
    fit = {
        "source": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "points": int(giant.sum()),
        "rms": round(float(residual.std()), 5),
        "largest": round(float(np.abs(residual).max()), 5),
        "pivot": PIVOT.tolist(),
        "scale": SCALE.tolist(),
        "coefficients": coefficients.round(8).tolist(),
    }
    SHIPPED.write_text(json.dumps(fit, indent=1) + "\n", encoding="utf-8")
    print(f"{fit['points']} points, rms {fit['rms']} mag, largest {fit['largest']} mag")


if __name__ == "__main__":
    main()
