"""Build the isochrone grid that comes with the package, and print how good it is.

    python scripts/build_grid.py FOLDER

FOLDER holds the PARSEC isochrones of the fsps project (SPS `ISOCHRONES/PARSEC/isoc_z*.dat`, plain
or gzipped). They state neither their release nor their mass loss: PARSEC v1.2S, Reimers eta = 0.2.
"""

import argparse
from pathlib import Path

import numpy as np

from bayescannon.ages.build import build_grid, interpolation_error
from bayescannon.ages.grid import Parsec

SHIPPED = Path(__file__).parents[1] / "bayescannon" / "data" / "parsec.zarr"


def report(grid: Parsec) -> None:
    """Print the shape, the repairs, the interpolation error and the clump tracks of a grid."""
    print(f"{grid.info['family']}, eta {grid.info['eta']}, up to {grid.last_age} Gyr")
    print(f"{grid.mh.size} [M/H] x {grid.log_age.size} ages, repairs {grid.info['repairs']}")
    age = grid.log_age[1:-1:2]
    mh = (grid.mh > -0.9) & (grid.mh < 0.41)
    wanted = mh[:, None] & (age > np.log10(0.5))
    for state in ("rgb", "rc"):
        error = interpolation_error(grid, state)[:, wanted]
        error = error[np.isfinite(error)]
        median, high, largest = np.quantile(error, [0.5, 0.95, 1.0])
        print(f"half-grid error {state} [dex]: {median:.5f} median, {high:.5f} 95 %, {largest:.5f}")
    masses = np.array([1.0, 1.2, 1.5, 2.0])
    for feh in (0.3, 0.0, -0.7):
        rc = grid.age_of_mass(np.log10(masses), feh, "rc")
        rgb = grid.age_of_mass(np.log10(masses), feh, "rgb", 2.5)
        print(f"[M/H] {feh:+.1f}: clump {np.round(rc, 2)}, branch {np.round(rgb, 2)} Gyr")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with isoc_z*.dat or isoc_z*.dat.gz")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="where the grid goes")
    args = parser.parse_args()
    grid = build_grid(args.folder.glob("isoc_z*.dat*"), eta=0.2, family="PARSEC v1.2S")
    grid.save(args.out, overwrite=True)
    report(Parsec.open(args.out))


if __name__ == "__main__":
    main()
