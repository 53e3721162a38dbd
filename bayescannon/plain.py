"""Values as plain arrays: without unit, in native byte order, words of any kind as `str`."""

import numpy as np

from bayescannon.errors import UserError

NONE = frozenset(("", "nan", "null", "none", "n/a", "na", "--", "---", "<na>", "nat", "..."))
"""Words that stand for no value, in lower case."""


def plain(column) -> np.ma.MaskedArray:
    """Values of a column without unit, in native byte order; words of any kind as `str`."""
    bare = getattr(column, "unmasked", column)  # astropy's masked quantities
    data = np.asarray(np.ma.getdata(getattr(bare, "value", bare)))
    mask = np.broadcast_to(getattr(column, "mask", False), data.shape)
    if data.dtype.kind == "S":
        data = np.char.decode(data, "utf-8", "replace")
    elif data.dtype.kind in "TO":
        words = [_word(value) for value in data.ravel().tolist()]
        data = np.array(words or [""], str)[: len(words)].reshape(data.shape)
    elif data.dtype.kind in "iufb":
        data = data.astype(data.dtype.newbyteorder("="))
    return np.ma.MaskedArray(data, mask)


def bare(values) -> np.ndarray:
    """Give what `plain` does without its mask: what is masked holds any value."""
    return np.ma.getdata(plain(values))


def _word(value) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def as_words(given, what: str) -> np.ndarray:
    """Give values as words, (row,): without spaces around; "" where there is none.

    A number is its digits, without a point where it is whole. `what` names them in the error.

    Raises
    ------
    UserError
        If a row holds more than one word.
    """
    values = plain(given)
    if values.ndim != 1:
        raise UserError(f"{what} has shape {values.shape}: give one word a row")
    data = np.ma.getdata(values)
    if data.dtype.kind == "f":
        whole = np.isfinite(data) & (data == np.round(data))
        data = [str(int(x)) if ok else str(x) for x, ok in zip(data, whole, strict=True)]
    text = np.char.strip(np.asarray(data).astype(str)) if len(values) else np.zeros(0, "U1")
    none = np.ma.getmaskarray(values) | np.isin(np.char.lower(text), sorted(NONE))
    return np.where(none, "", text)
