"""Kill a catalogue run at random moments, go on, and compare every byte with an undisturbed run.

    python tests/benchmarks/kill_catalog.py --kills 25 --workers 2

Semi-synthetic stars. Each trial starts `bayescannon catalog`, sends SIGKILL to it (its workers end
with it) at a moment drawn evenly over the time that an undisturbed run takes after its start-up,
runs the same command again, and compares all files.
"""

import argparse
import hashlib
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import bayescannon as bc
from bayescannon.data import model_path
from bayescannon.infer.selfcheck import make_stars


def main() -> None:
    options = _options()
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        store, model = Path(scratch) / "spectra.zarr", bc.Model.load(model_path("apokasc-mass"))
        make_stars(model, options.stars, options.seed).spectra.save(store)
        words = _words(store, Path(scratch) / "whole", options.workers)
        begin = time.perf_counter()
        subprocess.run(words, check=True, capture_output=True)
        length = time.perf_counter() - begin
        whole = _bytes(Path(scratch) / "whole")
        print(f"undisturbed: {length:.1f} s, {len(whole)} files", flush=True)
        same, during = 0, 0
        for trial in range(options.kills):
            out = Path(scratch) / f"{trial}"
            after = rng.uniform(0.3, 1.0) * length
            running = subprocess.Popen(
                _words(store, out, options.workers), stdout=-3, stderr=-3, start_new_session=True
            )
            try:
                running.wait(after)
            except subprocess.TimeoutExpired:
                running.send_signal(signal.SIGKILL)
                running.wait()
                during += 1
            parts = len(list(out.glob("catalog.parquet/*.parquet")))
            time.sleep(0.5)  # workers notice that their parent has gone
            subprocess.run(_words(store, out, options.workers), check=True, capture_output=True)
            equal = _bytes(out) == whole
            same += equal
            print(
                f"killed after {after:.1f} s with {parts} parts done: same bytes {equal}",
                flush=True,
            )
    print(f"{during} of {options.kills} runs were killed; {same} ended with the same bytes")
    raise SystemExit(same < options.kills)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--stars", type=int, default=6144)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _words(store: Path, out: Path, workers: int) -> list[str]:
    command = Path(sys.executable).with_name("bayescannon")
    words = [command, "catalog", store, "--model", "apokasc-mass"]
    words += ["--out", out, "--method", "importance", "--workers", workers, "--format", "ecsv"]
    return [str(word) for word in words]


def _bytes(folder: Path) -> dict[str, str]:
    return {
        str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest()
        for f in sorted(folder.rglob("*"))
        if f.is_file()
    }


if __name__ == "__main__":
    main()
