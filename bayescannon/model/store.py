"""Model folders: `recipe.toml`, `arrays.npz`, `model.json`, `CARD.md`, `uncertainty.npz`,
`certificate.json`."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np

from bayescannon.batches import unpack
from bayescannon.calibration import Certificate
from bayescannon.errors import UserError
from bayescannon.files import write_beside
from bayescannon.labels import Mixture, Scaling
from bayescannon.model.model import LabelMap, Model
from bayescannon.model.states import States
from bayescannon.recipe import Recipe

FORMAT = 3
"""Version of the folder's layout. Raise it with a line in `UPGRADES` when the layout changes."""

CERTIFICATE = "certificate.json"

UPGRADES: dict = dict.fromkeys((1, 2), lambda info, arrays: (info, arrays))
"""For each old format, a function from (info, arrays) of that format to those of the next one."""


def save_model(model: Model, folder: str | os.PathLike) -> None:
    """Write a model folder; an existing one is replaced once the new one is complete."""
    info = {
        "format": FORMAT,
        "id": model.id,
        "channel": model.channel,
        "report": model.report,
    }
    with write_beside(folder) as beside:
        beside.mkdir()
        (beside / "recipe.toml").write_text(model.recipe.dumps(), encoding="utf-8")
        (beside / "CARD.md").write_text(model.card, encoding="utf-8")
        (beside / "model.json").write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")
        if model.certificate is not None:
            (beside / CERTIFICATE).write_text(model.certificate.to_json(), encoding="utf-8")
        np.savez_compressed(beside / "arrays.npz", allow_pickle=False, **model.arrays())
        if model.uncertainty is not None:
            row, column = np.triu_indices(model.uncertainty.shape[1])
            packed = model.uncertainty[:, row, column].astype(np.float32)
            np.savez_compressed(beside / "uncertainty.npz", allow_pickle=False, packed=packed)


def load_model(folder: str | os.PathLike) -> Model:
    """Read a model folder.

    Raises
    ------
    UserError
        If it is no model folder, is damaged, or was written by a newer version.
    """
    folder = Path(folder)
    if not (folder / "model.json").is_file():
        raise UserError(f"{folder}: no model here (model.json is missing); train one first")
    try:
        info = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        version = int(info["format"])
        if version > FORMAT:
            raise UserError(
                f"{folder}: model format {version} is newer than this version reads "
                f"({FORMAT}): upgrade bayescannon"
            )
        # NumPy leaves a file open that turns out not to be an archive
        with (folder / "arrays.npz").open("rb") as file, np.load(file) as stored:
            arrays = dict(stored)
        while version < FORMAT:
            if version not in UPGRADES:
                raise UserError(f"{folder}: model format {version} was never used: damaged?")
            info, arrays = UPGRADES[version](info, arrays)
            version += 1
        return _assemble(folder, info, arrays)
    except UserError as error:
        text = str(error)
        raise UserError(text if text.startswith(str(folder)) else f"{folder}: {text}") from error
    except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{folder}: damaged model folder ({error})") from error


def _assemble(folder: Path, info: dict, arrays: dict[str, np.ndarray]) -> Model:
    label_map = None
    if "label_map_leverage" in arrays:
        label_map = LabelMap(*(arrays[f"label_map_{part}"] for part in LabelMap._fields))
    card = folder / "CARD.md"
    return Model(
        recipe=Recipe.load(folder / "recipe.toml"),
        scaling=Scaling(arrays["pivot"], arrays["scale"]),
        label_range=arrays["label_range"],
        wavelength=arrays.get("wavelength"),
        coefficients=arrays["coefficients"],
        scatter=arrays["scatter"],
        usable=arrays["usable"],
        factors=arrays["factors"],
        population=Mixture.of_arrays(arrays, "population"),
        label_map=label_map,
        states=States.of_arrays(arrays),
        uncertainty=_uncertainty(folder / "uncertainty.npz"),
        channel=tuple(info["channel"]) if info.get("channel") else None,
        card=card.read_text(encoding="utf-8") if card.is_file() else "",
        report=info.get("report"),
        certificate=read_certificate(folder),
    )


def read_certificate(folder: Path) -> Certificate | None:
    """Read the certificate in a model folder; None where there is none."""
    path = folder / CERTIFICATE
    return Certificate.from_json(path.read_text(encoding="utf-8")) if path.is_file() else None


def _uncertainty(path: Path) -> np.ndarray | None:
    if not path.is_file():
        return None
    with path.open("rb") as file, np.load(file) as stored:
        packed = stored["packed"].astype(float)
    return unpack(packed, int(np.sqrt(2 * packed.shape[1])))
