"""Time full posteriors beside the point estimates of TheCannon (Ho, PyPI 0.7.3), same arrays.

    python -m benchmarks.peer_infer --stars 10000 --peer-stars 200 --rounds 3

Both get the same flux and ivar (float32, as a store holds them), coefficients, scatter, pivots and
scales. TheCannon lives in a throw-away environment made here. Nothing is
patched: 0.7.3 states no versions, and its test step works with current numpy, scipy, matplotlib and
astropy. Its time per star does not depend on how many there are, so it does `--peer-stars` of them
in each round; rounds of both alternate, so that both meet the same machine. Compilation is timed
apart. TheCannon runs one process and what its BLAS takes, ours one block of stars a core: CPU time
is given beside wall time for that reason.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

import bayescannon as bc
from bayescannon.data import model_path
from bayescannon.posterior.run import STARS_PER_BLOCK
from bayescannon.trees import array
from benchmarks.peers import THE_CANNON, environment, run
from studies.from_model import simulate_stars

WORKER = Path(__file__).with_name("peer_infer_worker.py")


def main() -> None:
    options = _options()
    model = bc.Model.load(model_path("apokasc-mass"))
    simulated = simulate_stars(model, options.stars, seed=options.seed).spectra
    arrays = simulated.arrays(np.float32)
    spectra = bc.Spectra(simulated.wavelength, *arrays, simulated.star_id)
    with tempfile.TemporaryDirectory() as folder:
        python = environment(Path(folder) / "environment", THE_CANNON)
        arrays = _hand_over(model, spectra[: options.peer_stars], Path(folder))
        for method in options.method:
            begin = time.perf_counter()
            bc.infer(model, spectra[:STARS_PER_BLOCK], method, prior="flat")
            print(
                f"{method}: first block, compilation included, {time.perf_counter() - begin:.1f} s"
            )
        rounds = []
        for number in range(options.rounds):
            peer = _time_peer(python, arrays)
            ours = {name: _time_ours(model, spectra, name) for name in options.method}
            rounds.append((peer, ours))
            print(f"round {number + 1}: TheCannon {_words(peer)}", flush=True)
            for name, timed in ours.items():
                ratio = peer["wall"] / timed["wall"], peer["cpu"] / timed["cpu"]
                print(
                    f"  {name} {_words(timed)}: {ratio[0]:.1f} times faster a star in wall time, "
                    f"{ratio[1]:.1f} in CPU time; {timed['extra']}",
                    flush=True,
                )
    for name in options.method:
        ratios = sorted(peer["wall"] / ours[name]["wall"] for peer, ours in rounds)
        print(
            f"{name}: {ratios[len(ratios) // 2]:.1f} times faster (median of {len(ratios)} rounds)"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stars", type=int, default=10_000)
    parser.add_argument("--peer-stars", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--method", nargs="+", default=["importance", "nuts"])
    return parser.parse_args()


def _hand_over(model: bc.Model, spectra: bc.Spectra, folder: Path) -> Path:
    """Write what TheCannon needs; a pixel that training could not fit has ivar 0."""
    path = folder / "arrays.npz"
    flux, ivar = spectra.arrays()
    np.savez(
        path,
        flux=flux,
        ivar=np.where(model.usable, ivar, 0.0),
        coefficients=model.coefficients,
        scatter=model.scatter,
        pivot=model.scaling.pivot,
        scale=model.scaling.scale,
    )
    return path


def _time_peer(python: Path, arrays: Path) -> dict:
    return json.loads(run(python, "-W", "ignore", WORKER, arrays).splitlines()[-1])


def _time_ours(model: bc.Model, spectra: bc.Spectra, method: str) -> dict:
    wall, cpu = time.perf_counter(), time.process_time()
    post = bc.infer(model, spectra, method, prior="flat", draws=500)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    enough = np.mean(array(post, "sample_stats/ess") >= 400)
    return {
        "wall": wall / len(spectra),
        "cpu": cpu / len(spectra),
        "stars": len(spectra),
        "extra": f"ESS >= 400 for {100 * enough:.1f} %",
    }


def _words(timed: dict) -> str:
    wall, cpu = 1e3 * timed["wall"], 1e3 * timed["cpu"]
    return f"{wall:.2f} ms a star ({cpu:.2f} CPU, {timed['stars']} stars)"


if __name__ == "__main__":
    main()
