"""Whose output is it: the mark that every output carries, and how it is read back.

A folder has a file `.bayescannon` with its kind and all its files; a Zarr store an attribute; a
single file the words "bayescannon <kind>" among its metadata. Outputs of version 0.1, which have
no mark, are recognised by what they contain.
"""

import json
from pathlib import Path
from typing import NamedTuple

MARK, MARK_OF_STORES = ".bayescannon", "bayescannon"
"""Name of the file in a folder, and of the attribute of a Zarr store."""
ENDS = 1 << 18
"""So many bytes at either end of a file are searched for its mark."""


class Kind(NamedTuple):
    """A kind of output.

    name is what it is called; suffixes are those of a file, none of a folder; first says how
    version 0.1 is recognised: names that a folder of it holds, the first of them always, names
    that all are in a Zarr store, or words of a file; attribute is one that such a store has.
    """

    name: str
    suffixes: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    attribute: str | None = None

    @property
    def creator(self) -> str:
        """What a file of this kind says of itself."""
        return f"bayescannon {self.name}"


SPECTRA = Kind("spectra store", first=("flux", "ivar", "star_id"))
POSTERIOR = Kind("posterior store", first=("posterior", "sample_stats"), attribute="model_id")
AGES = Kind("age store", first=("posterior", "sample_stats"), attribute="p_rc")
GRID = Kind("isochrone grid", first=("log_age", "mh"), attribute="info")
_WORDS = ("recipe.toml", "CARD.md", "certificate.json")
MODEL = Kind("model", first=("model.json", "arrays.npz", "uncertainty.npz", *_WORDS))
STATE_MODELS = Kind("models by state", first=("states.npz", "rgb", "rc", *_WORDS))
SIMULATION = Kind("simulation", first=("truth.ecsv", "labels.ecsv", "spectra.zarr"))
CROSSVAL = Kind("cross-validation", first=("crossval.json", "crossval.ecsv", "crossval.png"))
_DEMO = ("catalog.fits", "catalog.ecsv", "posteriors.zarr", "ages.zarr", "model", "figures")
_DEMO += ("crossval.npz", "training.ecsv", "truth.ecsv", "spectra.zarr")
DEMO = Kind("demo", first=("summary.json", *_DEMO))
_TABLES = (".fits", ".ecsv", ".csv", ".parquet", ".vot", ".mrt")
CATALOG = Kind("catalogue", _TABLES, ("bayescannon.flags",))
DOWNLOADS = Kind("folder of downloads")
CDS = Kind("catalogue for the CDS")
SELECTION = Kind("selection", (".ecsv",), ("why_not",))
SHIFTS = Kind("age systematics", (".ecsv",), ("flat-log-mass",))
QUARANTINE = Kind("quarantine", (".ecsv",), ("name: reason",))
PIXELS = Kind("continuum pixels", (".txt", ".dat", ".lst", ""))
REPEATS = Kind("repeats", (".json",))
RUN = Kind("folder of a catalogue run")
FOLDS = Kind("folder of folds")
PAPER = Kind("folder of the paper's figures")
CALIBRATION = Kind(
    "folder of a calibration",
    first=("scenarios", "worlds", "report.json", "report.html", "inflation.json"),
)
PICTURE = Kind("picture", (".png",))
ARRAYS = Kind("arrays", (".npz",), ("bayescannon.npy",))


def put_mark(path: Path, kind: Kind) -> None:
    """Mark a folder or a Zarr store; writers of single files put `kind.creator` into them."""
    root = path / "zarr.json"
    if root.is_file():
        stored = json.loads(root.read_text(encoding="utf-8"))
        stored.setdefault("attributes", {})[MARK_OF_STORES] = kind.name
        root.write_text(json.dumps(stored, indent=2), encoding="utf-8")
    elif path.is_dir():
        lines = [kind.name, *sorted(_files(path))]
        (path / MARK).write_text("\n".join(lines) + "\n", encoding="utf-8")


def is_ours(path: Path, kind: Kind) -> bool:
    """Whether this is an output of this kind."""
    try:
        if path.is_dir():
            return _is_our_folder(path, kind)
        words = (kind.creator, *kind.first)
        return path.is_file() and any(word.encode() in _ends(path) for word in words)
    except (OSError, ValueError, AttributeError):  # what cannot be read carries no mark
        return False


def foreign(path: Path) -> list[str]:
    """Files in one of our folders or stores that were not written with it."""
    if (path / "zarr.json").is_file():
        rest = (Path(f) for f in _files(path))
        return sorted(str(f) for f in rest if "c" not in f.parts and not _is_of_zarr(f.name))
    if (path / MARK).is_file():
        listed = (path / MARK).read_text(encoding="utf-8").split("\n")[1:]
        return sorted(_files(path) - {*listed, MARK})
    return []


def _is_our_folder(path: Path, kind: Kind) -> bool:
    names = {entry.name for entry in path.iterdir()}
    if "zarr.json" in names:
        root = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
        attributes = root.get("attributes", {})
        if MARK_OF_STORES in attributes:
            return attributes[MARK_OF_STORES] == kind.name
        known = kind.attribute is None or kind.attribute in attributes
        return known and bool(kind.first) and names >= set(kind.first)
    if MARK in names:
        return (path / MARK).read_text(encoding="utf-8").split("\n")[0] == kind.name
    return bool(kind.first) and kind.first[0] in names and names <= set(kind.first)


def _is_of_zarr(name: str) -> bool:
    return name == "zarr.json" or name.startswith(".partial-") or name.endswith(".partial")


def _files(path: Path) -> set[str]:
    return {f.relative_to(path).as_posix() for f in path.rglob("*") if not f.is_dir()}


def _ends(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(ENDS)
        file.seek(max(file.seek(0, 2) - ENDS, 0))
        return head + file.read()
