"""The few cards of an SDSS file's primary header that say which star it is and how it was seen."""

import math
import re
from pathlib import Path

from astropy.io import fits

CARD, BLOCK = 80, 2880
END = b"END".ljust(CARD)
NONE = 9000.0
"""A number as large stands for "none"."""
VISIT_SNR = b"SNRVIS"
ABOUT = {
    "ra": ("RA",),
    "dec": ("DEC",),
    "field": ("FIELD",),
    "telescope": ("TELESCOP",),
    "rv": ("VHELIO", "VRAD"),
}
"""What a header says of its star, by our names, and its keywords in the releases."""
WORDS = ("field", "telescope")
WANTED = {b"NAXIS", b"OBJID", b"OBJ", b"SNR", b"STARFLAG"}
WANTED |= {key.encode() for keys in ABOUT.values() for key in keys}
WANTED = {key.ljust(8) for key in WANTED}

_2MASS = re.compile(r"[0-9A-Za-z]{2}\d{8}[+-]\d{7}")


def read_primary(plain: bytes) -> tuple[dict, int]:
    """Read a few cards of the primary header, and say where the first extension begins.

    The survey's primary header has no data and more than a hundred cards, which took astropy as
    long as all the rest of the file.
    """
    found = {}
    for start in range(0, len(plain), CARD):
        card = plain[start : start + CARD]
        if card[:8] in WANTED or card.startswith(VISIT_SNR):
            parsed = fits.Card.fromstring(card)
            found[parsed.keyword] = parsed.value
        elif card == END:
            stop = -(-(start + CARD) // BLOCK) * BLOCK
            return found, stop if found.get("NAXIS") == 0 else len(plain)
    return found, len(plain)


def number(value, default: float) -> float:
    """A card's value where it is a finite number, else the default."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known and math.isfinite(value) else default


def about_star(head: dict) -> dict[str, str | float]:
    """What the header says of its star; the survey writes -9999 where it does not know."""
    found: dict[str, str | float] = {"sdss_id": -1, "gaia_id": -1}
    for name, keys in ABOUT.items():
        value = next((head[key] for key in keys if key in head), None)
        if name in WORDS:
            found[name] = value.strip() if isinstance(value, str) else ""
        else:
            size = number(value, math.nan)
            found[name] = size if abs(size) < NONE else math.nan
    return found


def name_of(path: Path, head: dict) -> str:
    """Name of the star: the header's, else the 2MASS id in the file's name, else that name."""
    for key in ("OBJID", "OBJ"):
        name = head.get(key)
        if isinstance(name, str) and name.strip():
            return name.strip()
    found = _2MASS.search(path.name)
    return found.group() if found else path.name.split(".")[0]
