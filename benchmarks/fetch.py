"""Time `fetch` on a local archive that fails, beside a bare client on one that does not.

    python -m benchmarks.fetch --files 2000 --size 1000000 --share 0.05 --kills 10 --disk DIR

The archive is a process of its own. 5 % of its answers are a lost connection, half a body, or 503.
Both write what they get to the disk, four files at a time. Then `fetch` is killed and resumed.
"""

import argparse
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import urllib3

from bayescannon.spectra import fetch_files
from benchmarks.archive import archive

WORKERS = 4
RUN = (
    "import sys, bayescannon as bc\n"
    "base, out, files = sys.argv[1], sys.argv[2], int(sys.argv[3])\n"
    "bc.fetch_files([f'dr17/apStar-{k}.fits' for k in range(files)], out, base)\n"
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--disk", type=Path, default=None)
    options = parser.parse_args()
    data = _one_file(options.size)
    paths = [f"dr17/apStar-{k}.fits" for k in range(options.files)]
    with tempfile.TemporaryDirectory(dir=options.disk) as name:
        folder = Path(name)
        bare, fetched = [], []
        for trial in range(options.trials):  # in turn, as the machine is not alone
            with _served(data, paths, 0.0) as base:
                os.sync()  # what went before does not stand in the way
                begin = time.perf_counter()
                _bare(base, paths, folder / f"bare-{trial}")
                bare.append(time.perf_counter() - begin)
            _remove(folder / f"bare-{trial}")
            with _served(data, paths, options.share) as base:
                os.sync()  # what went before does not stand in the way
                begin = time.perf_counter()
                done = fetch_files(paths, folder / f"fetched-{trial}", base, workers=WORKERS)
                fetched.append(time.perf_counter() - begin)
            whole = sum((folder / f"fetched-{trial}" / p).read_bytes() == data for p in paths)
            print(
                f"bare {options.files / bare[-1]:.0f}/s, fetch {options.files / fetched[-1]:.0f}/s "
                f"({bare[-1] / fetched[-1]:.2f}); {done.files} there, {whole} whole",
                flush=True,
            )
            _remove(folder / f"fetched-{trial}")
        ratio = np.median(bare) / np.median(fetched)
        print(f"rate of fetch over the bare client's, medians: {ratio:.2f}")
        with _served(data, paths, options.share) as base:
            _kill(base, paths, folder / "killed", data, options.kills)


class _served:
    """An archive in a process of its own; gives its address."""

    def __init__(self, data: bytes, paths: list[str], share: float):
        self.ours, theirs = multiprocessing.Pipe()
        kind = multiprocessing.get_context("spawn")
        self.process = kind.Process(target=_serve, args=(theirs, data, paths, share), daemon=True)

    def __enter__(self) -> str:
        self.process.start()
        return self.ours.recv()

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.join()


def _serve(pipe, data: bytes, paths: list[str], share: float) -> None:
    rng = np.random.default_rng(0)

    def fault(_path, _time):
        if rng.uniform() >= share:
            return None
        return [*("drop", "cut"), 503][rng.integers(3)]

    with archive(dict.fromkeys(paths, data), fault) as (base, _):
        pipe.send(base)
        signal.pause()


def _one_file(size: int) -> bytes:
    return b"SIMPLE  =                    T".ljust(size // 2880 * 2880, b"\0")


def _bare(base: str, paths: list[str], out: Path) -> None:
    (out / "dr17").mkdir(parents=True)
    with urllib3.PoolManager(maxsize=WORKERS) as client, ThreadPoolExecutor(WORKERS) as pool:

        def one(path: str) -> None:
            (out / path).write_bytes(client.request("GET", base + path).data)

        list(pool.map(one, paths))


def _kill(base: str, paths: list[str], out: Path, data: bytes, kills: int) -> None:
    """Kill `fetch` when it has random numbers of files, let it end, and compare the folder."""
    words = [sys.executable, "-c", RUN, base, str(out), str(len(paths))]
    killed = 0
    for wanted in np.sort(np.random.default_rng(0).integers(1, len(paths) - 50, kills)):
        running = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        while running.poll() is None and _count(out) < wanted:
            time.sleep(0.005)
        killed += running.poll() is None
        running.send_signal(signal.SIGKILL)
        running.wait()
    subprocess.run(words, check=True)
    names = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    whole = sum((out / p).read_bytes() == data for p in paths)
    extra = names - {*paths, "fetched.json", ".lock"}
    print(f"killed {killed} times and resumed: {whole} of {len(paths)} whole, beside them {extra}")


def _count(out: Path) -> int:
    return sum(1 for _ in (out / "dr17").glob("apStar-*")) if (out / "dr17").is_dir() else 0


def _remove(folder: Path) -> None:
    subprocess.run(["rm", "-r", os.fspath(folder)], check=True)


if __name__ == "__main__":
    main()
