"""The example of the guide on clusters, on two processes of this machine."""

import subprocess
import sys
import time

import numpy as np
import psutil
from conftest import ROOT, digests

import bayescannon as bc

BLOCKS = 4


def test_the_example_of_the_guide_survives_the_death_of_a_worker(scenario, tmp_path):
    """Its files are those of a run in this process."""
    which = np.arange(BLOCKS * 1024) % len(scenario.spectra)
    flux, ivar = (a[which] for a in scenario.spectra.arrays())
    names = [f"star-{k:05d}" for k in range(len(which))]
    bc.Spectra(scenario.spectra.wavelength, flux, ivar, names).save(tmp_path / "s.zarr")
    scenario.model.save(tmp_path / "m")
    words = [ROOT / "docs" / "examples" / "cluster.py", tmp_path / "s.zarr", "--local", "2"]
    words += ["--model", tmp_path / "m", "--out", tmp_path / "run"]
    running = subprocess.Popen(
        [sys.executable, *map(str, words)], stdout=subprocess.PIPE, text=True
    )
    blocks = tmp_path / "run" / "blocks"
    while running.poll() is None and len(list(blocks.glob("*.parquet"))) < 1:
        time.sleep(0.05)
    workers = [
        child
        for child in psutil.Process(running.pid).children(recursive=True)
        if "spawn_main" in " ".join(child.cmdline())
    ]
    workers[0].kill()
    said, _ = running.communicate(timeout=300)
    assert running.returncode == 0
    assert said.startswith(f"{len(names)} stars: ")
    model, spectra = bc.Model.load(tmp_path / "m"), bc.Spectra.open(tmp_path / "s.zarr")
    here = bc.run_catalog(model, spectra, tmp_path / "here", method="importance")
    bc.write_catalog(here, tmp_path / "here" / "catalog.fits")
    assert digests(tmp_path / "run") == digests(tmp_path / "here")
