"""The one rule for names of stars: a star's further rows are `X#2`, `X#3`, and all are star X."""

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np

from bayescannon.errors import UserError
from bayescannon.plain import as_words

_REPEAT = re.compile(r"#\d+$")
_PREFIX = re.compile(r"(2MASS[ -]*J?|2M|AP|J|KIC[ -]*)(?=\d)", re.IGNORECASE)


class Namer:
    """Give every row a name of its own: X, then X#2, X#3.

    Parameters
    ----------
    taken : iterable of str
        Names that rows have already.
    """

    def __init__(self, taken: Iterable[str] = ()):
        self._taken = set(taken)
        self._count = Counter(map(star_of, self._taken))

    def __call__(self, star: str) -> str:
        """Name the next row of a star."""
        name = star
        while name in self._taken:
            self._count[star] += 1
            name = f"{star}#{self._count[star]}"
        self._taken.add(name)
        self._count[star] = max(self._count[star], 1)
        return name


def star_of(name: str) -> str:
    """Name of the star that a row is of: X for X and for X#2."""
    return _REPEAT.sub("", name)


def key_of(name: str) -> str:
    """What two catalogues' names of one star share: without case, padding, prefix, leading zeros.

    `2MASS J00004994+1621552` and `2m00004994+1621552` are one star, and so are `KIC 006448890` and
    `6448890`. A number that stands for none (0, -1, -9999) is "".
    """
    star, mark, row = name.strip().partition("#")
    key = _PREFIX.sub("", star, count=1).strip().upper()
    if re.fullmatch(r"-?\d+", key):
        key = "" if int(key) <= 0 else str(int(key))
    return key + mark + row


def as_ids(values) -> np.ndarray:
    """Names as plain words, (row,): of bytes, integers or any strings, without spaces around.

    Raises
    ------
    UserError
        If a row has no name.
    """
    names = as_words(values if np.ndim(values) else [values], "star_id")
    if (names == "").any():
        raise UserError(f"row {int(np.argmax(names == '')) + 1} has no star_id: name its star")
    return names


def unique_ids(values) -> np.ndarray:
    """Names as `as_ids` gives them, the second and later rows of a star as X#2, X#3."""
    names, give = as_ids(values), Namer()
    return np.array([give(name) for name in names.tolist()], str) if len(names) else names


def match(listed: Iterable[str], wanted: Iterable[str]) -> np.ndarray:
    """Find the row of each name that is wanted: its own, else that of its star; -1 for none."""
    rows = {str(name): row for row, name in reversed(list(enumerate(listed)))}
    return np.array([rows.get(str(n), rows.get(star_of(str(n)), -1)) for n in wanted], int)


def fits_ids(names: np.ndarray) -> np.ndarray:
    """Names as FITS can hold them: the bytes of UTF-8 where they are no ASCII.

    The standard knows ASCII only; astropy and `as_ids` read the bytes back as what they were.
    """
    plain = all(name.isascii() for name in names.tolist())
    return names if plain else np.char.encode(names, "utf-8")


def check_unique(names: np.ndarray, what: str = "star_id") -> None:
    """Refuse names (star,) of which one repeats."""
    values, counts = np.unique(names, return_counts=True)
    if (counts > 1).any():
        repeated = values[counts > 1]
        raise UserError(
            f"{what} '{repeated[0]}' appears {counts.max()} times ({repeated.size} repeat): "
            "make them unique, by #2, #3 and so on for further spectra of a star"
        )
