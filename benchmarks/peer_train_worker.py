"""Runs in one package's own environment: trains on the arrays of a file, timed.

    python peer_train_worker.py PACKAGE ARRAYS.npz OUT.npz

Prints one line of JSON: wall and CPU seconds, and by how many MiB the peak of memory was above what
was held before; writes the scatter of each pixel. Importing, reading and copying are not timed.
What each package needs of us is said in its function.
"""

import contextlib
import io
import json
import re
import sys
import time
import warnings
from pathlib import Path

import numpy as np

warnings.simplefilter("ignore")


def bayescannon(flux, ivar, labels):
    """Ours: scatter and coefficients, as training without noisy labels and shrinkage does it."""
    from bayescannon.labels import features
    from bayescannon.training import fit_pixels

    v = np.asarray(features(labels))
    return lambda: fit_pixels(flux, ivar, v).scatter


def thecannon(flux, ivar, labels):
    """TheCannon 0.7.3: sets ivar 0 to 0.01 in place, so it gets copies."""
    from TheCannon.dataset import Dataset
    from TheCannon.model import CannonModel

    names = np.arange(len(flux)).astype(str)
    train = (names, flux.copy(), ivar.copy(), labels.copy())
    test = (names[:1], flux[:1].copy(), ivar[:1].copy())
    data = Dataset(np.arange(flux.shape[1]), *train, *test)
    data.set_label_names([f"label {i}" for i in range(labels.shape[1])])
    model = CannonModel(2, useErrors=False)

    def work():
        model.train(data)
        return model.scatters

    return work


def annieslasso(flux, ivar, labels):
    """annieslasso 0.2.96: its `threads` hands one pixel at a time to a pool: it stays off."""
    import thecannon as tc

    names = [f"l{i}" for i in range(labels.shape[1])]
    terms = tc.vectorizer.polynomial.terminator(names, 2)
    vectorizer = tc.vectorizer.PolynomialVectorizer(names, terms=terms)
    table = {name: labels[:, i] for i, name in enumerate(names)}
    model = tc.CannonModel(table, flux, ivar, vectorizer)
    return lambda: np.sqrt(model.train()[1])


def pollux(flux, ivar, labels):
    """pollux 0.1.0 as its documentation trains a Cannon: latents held at the labels, the
    coefficients solved in closed form in turn with gradient descent for the scatter, 8 cycles."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import pollux as plx
    from pollux.data import OutputData, PolluxData

    error = 1.0 / np.sqrt(np.where(ivar > 0, ivar, 1e-6))
    data = PolluxData(
        label=OutputData(labels, err=np.full(labels.shape, 1e-3)),
        flux=OutputData(flux, err=error),
    )
    model = plx.Cannon(label_size=labels.shape[1], output_size=flux.shape[1])

    def work():
        done = model.optimize_iterative(
            data,
            blocks=["flux:data", "flux:err"],
            fixed_pars={"latents": data["label"].data},
            max_cycles=8,
            rng_key=jax.random.PRNGKey(0),
            progress=False,
        )
        return np.asarray(jax.block_until_ready(done.params)["flux"]["err"]["s"])

    return work


def main(package: str, given: str, out: str) -> None:
    with np.load(given) as stored:
        flux, ivar, labels = (stored[k] for k in ("flux", "ivar", "labels"))
    with contextlib.redirect_stdout(io.StringIO()):
        work = globals()[package](flux, ivar, labels)
        held = _forget_peak()
        wall, cpu = time.perf_counter(), time.process_time()
        scatter = work()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = _memory("VmHWM") - held
    np.savez(out, scatter=scatter)
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak}))


def _forget_peak() -> float:
    """Let the peak of memory begin anew (Linux); give what is held now [MiB]."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(kind: str) -> float:
    status = Path("/proc/self/status")
    found = re.search(rf"{kind}:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else float("nan")


if __name__ == "__main__":
    main(*sys.argv[1:])
