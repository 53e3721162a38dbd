"""Model folders: `recipe.toml`, `arrays.npz`, `model.json`, `CARD.md`, `uncertainty.npz`,
`certificate.json`."""

import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bayescannon.batches import unpack
from bayescannon.calibration import LEVELS, Certificate, verdict_of
from bayescannon.data import or_shipped, shipped_models
from bayescannon.errors import UserError, reason
from bayescannon.files import output
from bayescannon.marks import MODEL
from bayescannon.model.error import LabelError
from bayescannon.recipe import Recipe

FORMAT = 4
"""Version of the folder's layout. Raise it with a line in `UPGRADES` when the layout changes."""

CERTIFICATE = "certificate.json"
HEADING = "## Certificate"
"""Of the part of a model card that tells whether intervals hold."""


def _with_label_error(info: dict, arrays: dict) -> tuple[dict, dict]:
    """Until format 3 a model knew the uncertainty of its label scale only."""
    arrays = dict(arrays)
    leverage, covariance = (arrays.pop(f"label_map_{k}", None) for k in ("leverage", "covariance"))
    if leverage is not None and covariance is not None:
        arrays |= LabelError(leverage, covariance, np.zeros_like(covariance)).arrays()
    return info, arrays


UPGRADES: dict = {1: lambda *old: old, 2: lambda *old: old, 3: _with_label_error}
"""For each old format, a function from (info, arrays) of that format to those of the next one."""


class Parts(NamedTuple):
    """What a model folder holds."""

    recipe: Recipe
    arrays: dict[str, np.ndarray]
    """Those that decide a posterior, by name."""
    info: dict
    """What JSON can hold: id, names of channels, report of the training."""
    card: str
    uncertainty: np.ndarray | None
    """Covariance of the coefficients (pixel, feature, feature)."""
    certificate: Certificate | None


def write_folder(folder: str | os.PathLike, parts: Parts, overwrite: bool = False) -> None:
    """Write a model folder; see `Model.save`."""
    info = {"format": FORMAT} | parts.info
    with output(folder, MODEL, overwrite) as beside:
        beside.mkdir()
        (beside / "recipe.toml").write_text(parts.recipe.dumps(), encoding="utf-8")
        (beside / "CARD.md").write_text(parts.card, encoding="utf-8")
        (beside / "model.json").write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")
        if parts.certificate is not None:
            (beside / CERTIFICATE).write_text(parts.certificate.to_json(), encoding="utf-8")
        np.savez_compressed(beside / "arrays.npz", allow_pickle=False, **parts.arrays)
        if parts.uncertainty is not None:
            row, column = np.triu_indices(parts.uncertainty.shape[1])
            packed = parts.uncertainty[:, row, column].astype(np.float32)
            np.savez_compressed(beside / "uncertainty.npz", allow_pickle=False, packed=packed)


def save_or_spare(save: Callable[[Path], None], path: Path, name: str) -> None:
    """Save what took long to make; where `path` cannot take it, elsewhere under this name.

    Raises
    ------
    UserError
        If `path` could not be written; it says where the result is kept: in a new folder among
        the system's temporary files, or in the user's home.
    """
    try:
        save(path)
    except UserError as error:
        for place in (tempfile.gettempdir(), Path.home()):
            with suppress(UserError, OSError):
                spare = Path(tempfile.mkdtemp(prefix="bayescannon-", dir=place)) / name
                save(spare)
                break
        else:
            raise
        cause = error.__cause__
        reason = cause.strerror if isinstance(cause, OSError) else error
        raise UserError(f"{name}: {reason}; the result is kept in {spare}") from error


def read_folder[M](folder: str | os.PathLike, assemble: Callable[[Parts], M]) -> M:
    """Read a model folder and make the model.

    Parameters
    ----------
    folder : path
    assemble : callable
        Makes the model of the parts; its errors, too, mean a damaged folder.

    Raises
    ------
    UserError
        If it is no model folder, is damaged, or was written by a newer version.
    """
    folder = or_shipped(folder)
    if not (folder / "model.json").is_file():
        by_state = (folder / "states.npz").is_file()
        words = (
            "models by state: read them by bayescannon.model.load"
            if by_state
            else (
                f"no model here (model.json is missing); train one, or name one that ships: "
                f"{', '.join(shipped_models())}"
            )
        )
        raise UserError(f"{folder}: {words}")
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
        card = folder / "CARD.md"
        parts = Parts(
            recipe=Recipe.load(folder / "recipe.toml"),
            arrays=arrays,
            info=info,
            card=card.read_text(encoding="utf-8") if card.is_file() else "",
            uncertainty=_uncertainty(folder / "uncertainty.npz"),
            certificate=read_certificate(folder),
        )
        return assemble(parts)
    except UserError as error:
        text = str(error)
        raise UserError(text if text.startswith(str(folder)) else f"{folder}: {text}") from error
    except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{folder}: damaged model folder ({reason(error)})") from error


def with_certificate(card: str, certificate: Certificate | None) -> str:
    """Give a model card (Markdown) with the certificate's verdict and table at its end.

    Parameters
    ----------
    card : str
        A verdict that it has already is replaced.
    certificate : Certificate or None
        None says that there is no certificate.
    """
    text = card.split(HEADING)[0].rstrip()
    lines = [text, "", HEADING, "", f"{verdict_of(certificate)}."]
    if certificate is not None:
        heads = ["label", "stars", "bias", "z-width", *(f"{100 * x:.0f} % holds" for x in LEVELS)]
        lines += ["", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for name, held in certificate.labels.items():
            pairs = zip(held.coverage, held.error, strict=True)
            shares = [f"{100 * share:.0f} +- {100 * error:.0f}" for share, error in pairs]
            cells = [name, str(held.stars), f"{held.bias:.2g}", f"{held.z:.2f}", *shares]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


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
