"""Kill a run at random moments, go on, and compare every byte with an undisturbed run.

    python -m benchmarks.kill catalog --kills 25
    python -m benchmarks.kill ingest --kills 25
    python -m benchmarks.kill dask --kills 3

Semi-synthetic stars. Each trial starts the command, sends SIGKILL (or `--signal`) to it at a moment
drawn evenly over the time that an undisturbed run takes after its folder is there, runs the same
command again, and compares all files. A trial that ended before its moment is drawn again. With
`dask` it is one of two worker processes of a Dask cluster that is killed: the run must end all the
same.
"""

import argparse
import hashlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import bayescannon as bc
from bayescannon.catalog.block import PARTS
from bayescannon.data import model_path
from benchmarks.ingest import make_files
from studies.from_model import simulate_stars

NAME = "run"
"""Of every output: the command that makes it is written into it."""
WITH_COMMAND = ("manifest.json", "catalog.ecsv")
COMMAND = Path(sys.executable).with_name("bayescannon")


def main() -> None:
    """Make the input, then run, kill and compare."""
    options = _options()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        words = MAKERS[options.job](folder, options)
        if options.job == "dask":
            same = _kill_dask_workers(folder, words, options.kills)
        else:
            same = _kill_runs(folder, words, options)
    print(f"{options.kills} killed; {same} ended with the same bytes")
    raise SystemExit(same < options.kills)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", choices=MAKERS)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--stars", type=int, default=6144)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--signal", default="SIGKILL", choices=["SIGKILL", "SIGTERM", "SIGINT"])
    return parser.parse_args()


def _catalog(folder: Path, options: argparse.Namespace) -> Callable[[Path], list[str]]:
    store, model = folder / "spectra.zarr", bc.Model.load(model_path("apokasc-mass"))
    simulate_stars(model, options.stars, options.seed).spectra.save(store)
    words = [COMMAND, "catalog", store, "--model", "apokasc-mass", "--format", "ecsv"]
    words += ["--method", "importance", "--workers", options.workers]
    return lambda out: [*map(str, words), "--out", str(out)]


def _ingest(folder: Path, options: argparse.Namespace) -> Callable[[Path], list[str]]:
    files = folder / "files"
    files.mkdir()
    make_files(files, options.stars, options.seed, lambda done: None)
    words = [COMMAND, "ingest", files, "--workers", options.workers]
    return lambda out: [*map(str, words), "--out", str(out.with_suffix(".zarr"))]


MAKERS = {"catalog": _catalog, "ingest": _ingest, "dask": _catalog}


def _kill_runs(folder: Path, words: Callable[[Path], list[str]], options) -> int:
    rng = np.random.default_rng(options.seed)
    length, whole = _undisturbed(folder, words)
    same = killed = 0
    while killed < options.kills:
        after, name = rng.uniform() * length, NAME
        running = _started(folder, words, name)
        try:
            running.wait(after)
            print(f"ended before {after:.1f} s: drawn again", flush=True)
            _remove(folder, name)
            continue
        except subprocess.TimeoutExpired:
            running.send_signal(signal.Signals[options.signal])
            running.wait()
        killed += 1
        left = len(_digests(folder, name))
        subprocess.run(words(folder / name), check=True, capture_output=True)
        equal = _digests(folder, name) == whole
        same += equal
        print(f"killed after {after:.1f} s, {left} files there: same bytes {equal}", flush=True)
        _remove(folder, name)
    return same


def _kill_dask_workers(folder: Path, words: Callable[[Path], list[str]], kills: int) -> int:
    from distributed import LocalCluster

    _, whole = _undisturbed(folder, words)
    same = 0
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        for trial in range(kills):
            out = words(folder / NAME)
            running = subprocess.Popen([*out, "--scheduler", cluster.scheduler_address])
            parts = folder / NAME / PARTS
            while running.poll() is None and len(list(parts.glob("*.parquet"))) < 2:
                time.sleep(0.02)
            died = cluster.workers[trial % 2].process.process.pid
            subprocess.run(["kill", "-9", str(died)], check=True)
            code = running.wait()
            differ = {name for name, _ in whole.items() ^ _digests(folder, NAME).items()}
            equal = not differ - set(WITH_COMMAND)
            same += equal and code == 0
            print(f"worker {died} killed: exit {code}, same bytes {equal}", flush=True)
            if not equal:
                print("differs:", sorted(differ), flush=True)
            _remove(folder, NAME)
    return same


def _undisturbed(folder: Path, words: Callable[[Path], list[str]]) -> tuple[float, dict]:
    subprocess.run(words(folder / "warm"), check=True, capture_output=True)
    running, begin = _started(folder, words, NAME), time.perf_counter()
    if running.wait():
        raise SystemExit("the undisturbed run failed")
    length, whole = time.perf_counter() - begin, _digests(folder, NAME)
    _remove(folder, NAME)
    print(f"undisturbed: {length:.1f} s, {len(whole)} files", flush=True)
    return length, whole


def _started(folder: Path, words: Callable[[Path], list[str]], name: str) -> subprocess.Popen:
    """Start a run, and wait until its folder or store is there."""
    running = subprocess.Popen(words(folder / name), stdout=-3, stderr=-3)
    while running.poll() is None and not any(folder.glob(f"{name}*")):
        time.sleep(0.02)
    return running


def _digests(folder: Path, name: str) -> dict[str, str]:
    """Hash all files of a run's folder or store; a run killed early may have neither."""
    out = next((path for path in folder.glob(f"{name}*") if path.stem == name), folder / name)
    return {
        str(f.relative_to(out)): hashlib.sha256(f.read_bytes()).hexdigest()
        for f in sorted(out.rglob("*"))
        if f.is_file()
    }


def _remove(folder: Path, name: str) -> None:
    for out in folder.glob(f"{name}*"):
        shutil.rmtree(out)


if __name__ == "__main__":
    main()
