"""Time plain training beside other Cannons from PyPI: same arrays, one run.

    python -m benchmarks.peer_train

1639 stars with five exact labels, S/N about 150, 4 % missing (`benchmarks.quadratic`). Ours
trains all 8575 pixels (scatter and coefficients: `train.fit_pixels`), compilation apart; a peer
trains `--peer-pixels` of them, evenly spread, and its time is scaled up by pixels: each pixel is
a fit of its own there. Rounds of all alternate. Each peer runs in a throw-away environment and is
run once before the rounds, so that its modules are compiled.

Threads: ours takes the cores it finds. A peer runs one process, and gets `--blas-threads` of BLAS:
one is the fastest for it, for its matrices are small (TheCannon with BLAS's own choice, two, took
3 to 100 times as long on two busy cores). CPU time is given beside wall time for that reason.

What had to be patched: no line of code. What had to be held back:

- TheCannon 0.7.3 declares no dependency and runs with current numpy, scipy, matplotlib, astropy;
- annieslasso 0.2.96 calls scipy's L-BFGS-B with `disp`, which scipy 1.18 no longer takes, and
  assigns an array of one number to an element, which numpy 2.5 no longer takes;
- pollux 0.1.0 (The Cannon in JAX, scatter by gradient descent) fails at its first line with
  xmmutablemap 0.3. It takes half a minute for 40 pixels, compilation included: off unless
  `--peers` names it;
- the-cannon 0.2.6, the older release of annieslasso, imports names that Python 3.10 and numpy 2
  no longer have: it cannot run beside us, and its training is annieslasso's.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bayescannon.labels import features
from bayescannon.training import fit_pixels
from benchmarks.peers import THE_CANNON, environment, run
from benchmarks.quadratic import NAMES, make_quadratic

WORKER = Path(__file__).with_name("peer_train_worker.py")
PEERS = {
    "thecannon": THE_CANNON,
    "annieslasso": ("annieslasso==0.2.96", "scipy<1.16", "numpy<2.3"),
    "pollux": ("pollux==0.1.0", "xmmutablemap<0.3"),
}


def main() -> None:
    """Run all and print a line a round, then medians."""
    options = _options()
    scenario = make_quadratic(options.stars, seed=options.seed)
    flux, ivar = scenario.spectra.arrays()
    labels = np.stack([np.asarray(scenario.labels[name]) for name in NAMES], axis=1)
    n_pixel = flux.shape[1]
    few = np.arange(n_pixel)[:: max(1, n_pixel // options.peer_pixels)][: options.peer_pixels]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        np.savez(folder / "all.npz", flux=flux, ivar=ivar, labels=labels)
        np.savez(folder / "few.npz", flux=flux[:, few], ivar=ivar[:, few], labels=labels)
        fresh, _ = _timed(sys.executable, "bayescannon", folder / "all.npz")
        held = (flux.nbytes + ivar.nbytes) / 2**20
        print(
            f"{len(flux)} stars x {n_pixel} pixels ({held:.0f} MiB), {os.cpu_count()} cores\n"
            f"ours in a fresh process, compilation included: {fresh['wall']:.1f} s, "
            f"peak {fresh['peak']:.0f} MiB above input and imports",
            flush=True,
        )
        pythons = {name: environment(folder / name, PEERS[name]) for name in options.peers}
        threads = str(options.blas_threads)
        os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), threads)
        quality = {n: _timed(p, n, folder / "few.npz")[1] for n, p in pythons.items()}
        v = np.asarray(features(labels))
        quality["ours"] = np.asarray(fit_pixels(flux, ivar, v).scatter)[few]
        rounds = []
        for number in range(options.rounds):
            took = {"ours": _ours(flux, ivar, v)}
            for name, python in pythons.items():
                timed, _ = _timed(python, name, folder / "few.npz")
                scale = n_pixel / len(few)
                took[name] = timed["wall"] * scale, timed["cpu"] * scale
            rounds.append(took)
            words = ", ".join(
                f"{n} {wall:.1f} s ({cpu:.1f} CPU)" for n, (wall, cpu) in took.items()
            )
            print(f"round {number + 1}, {n_pixel} pixels: {words}", flush=True)
    for name in rounds[0]:
        walls = np.array([took[name] for took in rounds])
        times = walls / np.array([took["ours"] for took in rounds])
        (wall, cpu), ratio = np.median(walls, axis=0), np.median(times, axis=0)
        s = np.sqrt(np.mean(quality[name] ** 2) / np.mean(scenario.scatter[few] ** 2))
        print(
            f"{name}: median {wall:.1f} s ({cpu:.1f} CPU), {ratio[0]:.1f} times ours "
            f"({times[:, 0].min():.1f} to {times[:, 0].max():.1f} by round; {ratio[1]:.1f} in CPU "
            f"time); s fitted / true {s:.3f} (rms)"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stars", type=int, default=1639)
    parser.add_argument("--peer-pixels", type=int, default=100)
    parser.add_argument("--blas-threads", type=int, default=1, help="of the peers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", nargs="+", default=list(PEERS)[:2], choices=list(PEERS))
    return parser.parse_args()


def _ours(flux, ivar, v) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    fit_pixels(flux, ivar, v)
    return time.perf_counter() - wall, time.process_time() - cpu


def _timed(python, package: str, arrays: Path) -> tuple[dict, np.ndarray]:
    """Train by `package`; give times and memory, and the scatter of each pixel."""
    out = arrays.with_name("out.npz")
    line = run(python, WORKER, package, arrays, out).splitlines()[-1]
    with np.load(out) as stored:
        return json.loads(line), stored["scatter"]


if __name__ == "__main__":
    main()
