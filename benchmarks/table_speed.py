"""Time the catalogue of an allStar table, from the command to the file.

    python -m benchmarks.table_speed --stars 700000

The table is semi-synthetic: real giants with abundances, drawn again and again, each number moved
by a Gaussian of a tenth of the sample's scatter. Reading the table bare is timed beside it.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.table import Table

from bayescannon.spectra.abundances import real_giants

COMMAND = Path(sys.executable).with_name("bayescannon")
NAMES = ("TEFF", "LOGG", "M_H", "ALPHA_M", "C_M", "N_M")


def make_table(path: Path, n_star: int, seed: int = 0) -> None:
    """Write the columns that the command reads, in the single precision of an allStar table."""
    values, _ = real_giants()[0].arrays()
    rng = np.random.default_rng(seed)
    rows = values[rng.integers(len(values), size=n_star)]
    rows = rows + 0.1 * values.std(axis=0) * rng.normal(size=rows.shape)
    table = Table({"APOGEE_ID": [f"2M{i:014d}" for i in range(n_star)]})
    rows[:, 0] *= 1000  # Teff in K
    for name, column in zip(NAMES, rows.T, strict=True):
        table[name] = column.astype(np.float32)
        table[f"{name}_ERR"] = np.full(n_star, 0.02, np.float32)
    table["STARFLAG"], table["ASPCAPFLAG"] = np.zeros((2, n_star), np.int64)
    table.write(path)


def main() -> None:
    """Make the table, read it bare, run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stars", type=int, default=700_000)
    parser.add_argument("words", nargs="*", help="passed on to the command, after --")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path, out = Path(scratch) / "allStar.fits", Path(scratch) / "catalog.fits"
        make_table(path, options.stars)
        start = time.perf_counter()
        Table.read(path)
        bare = time.perf_counter() - start
        words = ["catalog", "--table", path, "--out", out, *options.words]
        start = time.perf_counter()
        subprocess.run([COMMAND, *words], check=True)
        took = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{options.stars} stars: {took:.1f} s ({bare:.1f} s for reading the table bare)")
    print(f"processor {used.ru_utime:.0f} + {used.ru_stime:.0f} s, system's part last")
    print(f"memory {used.ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
