"""Isochrone tables as their authors publish them, read into plain arrays.

Three layouts are known: the output of the CMD web form 3.x, MIST `.iso`, and the one file per Z
that the fsps project keeps. Any of them may be gzipped.
"""

import gzip
import hashlib
import io
import re
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from bayescannon.errors import UserError, reason


class Isochrone(NamedTuple):
    """Stars of one age and metallicity, in order of initial mass."""

    mh: float
    """[M/H] [dex]."""
    log_age: float
    """log10(age / Gyr)."""
    initial_mass: Float[np.ndarray, "point"]
    """[Msun]."""
    mass: Float[np.ndarray, "point"]
    """Current mass [Msun]."""
    logg: Float[np.ndarray, "point"]
    """[dex, cgs]."""
    rgb: Bool[np.ndarray, "point"]
    """On the first ascent of the giant branch."""
    rc: Bool[np.ndarray, "point"]
    """Burning helium in the core."""


class IsochroneFile(NamedTuple):
    """What one file holds and says about itself."""

    name: str
    """File name without its folder."""
    sha256: str
    family: str
    eta: float | None
    """Reimers mass-loss parameter; None when the file does not state it."""
    isochrones: list[Isochrone]


def read_isochrones(path) -> IsochroneFile:
    """Read a file of isochrones, whichever of the known layouts it has.

    Parameters
    ----------
    path : path of a text file, plain or gzipped.

    Raises
    ------
    UserError
        When the file cannot be read, is cut short, lacks a column, or has no known layout.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is damaged or no text table; fetch the file again") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    header = [line[1:].split() for line in text.splitlines() if line.startswith("#")]
    for first_column, reader in (("Zini", _cmd), ("EEP", _mist), ("log(age)", _fsps)):
        if any(words[:1] == [first_column] for words in header):
            family, eta, isochrones = reader(path, text)
            return IsochroneFile(
                path.name, hashlib.sha256(raw).hexdigest(), family, eta, isochrones
            )
    raise UserError(
        f"{path}: is no isochrone table that is known here; "
        "give CMD web form 3.x output, a MIST .iso file or fsps isoc_z*.dat"
    )


def _columns(path: Path, text: str, header: str, needed: list[str]) -> dict[str, np.ndarray]:
    """Read the needed columns; they are named in the comment line that starts with `header`."""
    line = next(words for words in _comments(text) if words[:1] == [header])
    missing = [name for name in needed if name not in line]
    if missing:
        raise UserError(f"{path}: has no column {', '.join(missing)}; ask for the full table")
    try:
        values = np.loadtxt(io.StringIO(text), ndmin=2)
    except ValueError as error:
        words = f"{path}: has a broken line; fetch the file again ({reason(error)})"
        raise UserError(words) from error
    if values.shape[1] != len(line) or len(values) == 0:
        raise UserError(
            f"{path}: has {len(values)} rows of {values.shape[1]} values for {len(line)} columns; "
            "fetch the file again"
        )
    return {name: values[:, line.index(name)] for name in needed}


def _comments(text: str) -> list[list[str]]:
    return [line[1:].split() for line in text.splitlines() if line.startswith("#")]


def _stated(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return found and found[1]


def _split(mh, log_age, initial_mass, mass, logg, rgb, rc) -> list[Isochrone]:
    """Cut columns into isochrones where the age or the metallicity changes."""
    new = (np.diff(log_age) != 0) | (np.diff(mh) != 0)
    pieces = np.split(np.arange(len(mh)), np.flatnonzero(new) + 1)
    return [
        Isochrone(
            round(float(mh[i[0]]), 4),
            round(float(log_age[i[0]]) - 9, 4),  # the tables count in years
            *(column[i] for column in (initial_mass, mass, logg, rgb, rc)),
        )
        for i in pieces
    ]


def _cmd(path: Path, text: str):
    """CMD web form 3.x (Bressan et al. 2012): `label` 3 is the giant branch, 4 to 6 core helium."""
    if "#isochrone terminated" not in text[-200:]:
        raise UserError(f"{path}: ends before '#isochrone terminated'; fetch the file again")
    names = ["MH", "logAge", "Mini", "Mass", "logg", "label"]
    mh, log_age, initial, mass, logg, label = _columns(path, text, "Zini", names).values()
    release = _stated(r"based on (PARSEC release \S+)", text)
    family = release.replace("release ", "") if release else "CMD"
    eta = _stated(r"(?<![^\W\d_])eta\s*=\s*([0-9.]*[0-9](?:[eE][-+]?[0-9]+)?)", text)
    rc = (label >= 4) & (label <= 6)
    isochrones = _split(mh, log_age, initial, mass, logg, label == 3, rc)
    return family, None if eta is None else float(eta), isochrones


def _fsps(path: Path, text: str):
    """One file per Z as fsps keeps PARSEC; Z stands in the file name, phases 2 and 3 count."""
    z_text = _stated(r"_z(0\.[0-9]+)", path.name)
    if z_text is None:
        raise UserError(f"{path}: its name must end in _z0.0NNN.dat, which states Z")
    names = ["log(age)", "Mini", "Mact", "logg", "Phase"]
    log_age, initial, mass, logg, phase = _columns(path, text, "log(age)", names).values()
    z = float(z_text)
    y = 0.2485 + 1.78 * z  # Bressan et al. (2012), as is the solar Z/X of 0.0207
    mh = np.full(len(phase), np.log10(z / (1 - y - z) / 0.0207))
    return "fsps isoc_z", None, _split(mh, log_age, initial, mass, logg, phase == 2, phase == 3)


def _mist(path: Path, text: str):
    """MIST `.iso` (Choi et al. 2016): EEP `phase` 2 is the giant branch, 3 core helium."""
    lines = _comments(text)
    chemistry = next((i for i, words in enumerate(lines) if "[Fe/H]" in words), None)
    if chemistry is None:
        raise UserError(f"{path}: states no [Fe/H]; fetch the file again")
    stated = dict(zip(lines[chemistry], map(float, lines[chemistry + 1]), strict=True))
    alpha = stated.get("[a/Fe]", 0.0)
    feh_to_mh = np.log10(0.638 * 10**alpha + 0.362)  # Salaris et al. (1993)
    names = ["log10_isochrone_age_yr", "initial_mass", "star_mass", "log_g", "phase"]
    log_age, initial, mass, logg, phase = _columns(path, text, "EEP", names).values()
    promised = [int(words[-2]) for words in lines if words[:3] == ["number", "of", "EEPs,"]]
    if sum(promised) != len(phase):
        raise UserError(
            f"{path}: holds {len(phase)} of {sum(promised)} points; fetch the file again"
        )
    mh = np.full(len(phase), stated["[Fe/H]"] + feh_to_mh)
    family = f"MIST {_stated(r'MIST version number\s*=\s*(\S+)', text) or ''}".strip()
    return family, None, _split(mh, log_age, initial, mass, logg, phase == 2, phase == 3)
