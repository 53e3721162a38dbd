"""What a catalogue run is made of: a second run goes on with the first only if it is the same."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from bayescannon.ages.grid import Parsec, grid_id
from bayescannon.calibration import verdict_of
from bayescannon.errors import UserError
from bayescannon.files import write_beside
from bayescannon.model.by_state import AnyModel
from bayescannon.model.checks import kind_of_data
from bayescannon.spectra import Spectra

PACKAGES = ("bayescannon", "jax", "jaxlib", "numpyro", "numpy")
FORMAT = 2
COMMAND = "command"


def describe_run(
    model: AnyModel, spectra: Spectra, grid: Parsec | None, settings: dict[str, Any]
) -> dict[str, Any]:
    """List all that a result depends on; values are what JSON can hold."""
    return {
        "format": FORMAT,
        "model": model.name,
        "model id": model.id,
        "certificate": verdict_of(model.certificate),
        "recipe": model.recipe.dumps(),
        "data": kind_of_data(spectra),
        "stars": len(spectra),
        "spectra id": _spectra_id(spectra),
        "grid id": None if grid is None else grid_id(grid),
        **settings,
        "versions": {name: version(name) for name in PACKAGES},
    }


def agree_on(path: Path, described: dict[str, Any]) -> None:
    """Write the manifest of a new run, or compare with that of the run to go on with.

    The command that began the run stands in its manifest; another may go on with it.

    Raises
    ------
    UserError
        If the run in this folder was another one.
    """
    if not path.exists():
        with write_beside(path) as beside:
            beside.write_text(json.dumps(described, indent=2) + "\n")
        return
    before = read_manifest(path)
    for key in sorted({*before, *described} - {COMMAND}):
        if before.get(key) != described.get(key):
            raise UserError(
                f"{path.parent}: holds a run with {key} {before.get(key)!r}, now it is "
                f"{described.get(key)!r}: choose another folder, or start anew with --restart"
            )


def read_manifest(path: Path) -> dict[str, Any]:
    """Read what a run is made of.

    Raises
    ------
    UserError
        If this is no manifest of a run.
    """
    try:
        described = json.loads(path.read_text())
    except ValueError:
        described = None
    if not isinstance(described, dict) or "spectra id" not in described:
        raise UserError(f"{path}: is no manifest of a catalogue run; choose another output")
    return described


def _spectra_id(spectra: Spectra) -> str:
    """Twelve digits of names, axis, all columns, and the values of a few stars.

    Among the columns of an ingested store is the checksum of every star's file.
    """
    axis = spectra.channel if spectra.wavelength is None else spectra.wavelength
    digest = hashlib.sha256("\n".join([*map(str, spectra.star_id)]).encode())
    digest.update(np.asarray(axis).tobytes())
    for name, values in sorted(spectra.columns.items()):
        digest.update(name.encode())
        digest.update("\n".join(map(str, values.ravel())).encode())
    if len(spectra):
        few = np.unique(np.linspace(0, len(spectra) - 1, 8).astype(int))
        for array in spectra[few].arrays(np.float32):
            digest.update(array.tobytes())
    return digest.hexdigest()[:12]
