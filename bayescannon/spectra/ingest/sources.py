"""Which files a user means: files, folders, globs and lists."""

import glob
import re
from collections.abc import Iterable
from pathlib import Path

from bayescannon.errors import UserError, reason

SUFFIXES = (".fits", ".fits.gz")
LISTS = (".txt", ".lst", ".list")


def expand(given: Iterable[str | Path]) -> list[Path]:
    """Replace folders, globs and list files by the files that they stand for.

    Parameters
    ----------
    given : iterable of path
        A file; a folder (every .fits and .fits.gz below it, sorted); a pattern with `*`, `?` or
        `[` (sorted; `**` enters folders); or a list (.txt, .lst, .list) with one of these a line,
        relative to the list's folder; `#` at the start of a line or after a space begins a comment.

    Returns
    -------
    list of Path
        Each file once, in the order given.

    Raises
    ------
    UserError
        If a folder, a pattern or a list stands for no file. A plain file need not exist: that is
        for the reader to report.
    """
    out: dict[Path, None] = {}
    for path in map(Path, given):
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.name.lower().endswith(SUFFIXES))
            kind = "no .fits or .fits.gz file in this folder"
        elif path.suffix.lower() in LISTS:
            found, kind = _listed(path), "this list names no file"
        elif not path.exists() and glob.has_magic(str(path)):
            found = [Path(p) for p in sorted(glob.glob(str(path), recursive=True))]
            kind = "no file fits this pattern"
        else:
            found, kind = [path], ""
        if not found:
            raise UserError(f"{path}: {kind}")
        out.update(dict.fromkeys(found))
    return list(out)


def _listed(path: Path) -> list[Path]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a list of files ({reason(error)})") from error
    names = [_file_of(line, path.parent) for line in lines]
    try:
        return expand(path.parent / Path(name).expanduser() for name in names if name)
    except RecursionError:
        raise UserError(f"{path}: is a list that names itself") from None


def _file_of(line: str, folder: Path) -> str:
    """File that a line names, without quotes; a file whose name holds ` #` is no comment."""
    name = line.strip()
    if not (folder / name).exists():
        name = re.sub(r"(^|\s)#.*", "", name).strip()
    quoted = len(name) > 1 and name[0] == name[-1] and name[0] in "\"'"
    return name[1:-1] if quoted else name
