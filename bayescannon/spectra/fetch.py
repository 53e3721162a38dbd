"""Download spectra from the survey's archive, or a mirror of it, into the same folders."""

import gzip
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import urllib3
from astropy.table import Table

from bayescannon.batches import in_order
from bayescannon.errors import UserError, reason
from bayescannon.files import work_in, write_beside
from bayescannon.marks import DOWNLOADS

ARCHIVE = "https://data.sdss.org/sas/"
MARK = "fetched.json"
"""File that says whose folder it is."""
BLOCK = 2880
GONE = (403, 404, 410)
BUSY = (429, 500, 502, 503, 504)
TRIES = 8
"""How often a file is tried."""
PAUSE, LONGEST = 0.1, 60
"""About the second pause between two tries [s], which grow twofold, and the longest."""
AHEAD = 256
"""So many files a worker may be done before one that has to wait."""
HOPELESS = 10
"""So many failures one after the other, missing files apart, end the run."""
DIGESTS = {32: "md5", 40: "sha1", 64: "sha256"}
"""Kind of a checksum by the number of its digits."""


class Fetched(NamedTuple):
    """How many files there are now, and a table (file, reason) of those that could not be had."""

    files: int
    missing: Table


def fetch_files(
    paths: Iterable[str],
    out: str | os.PathLike,
    base: str = ARCHIVE,
    *,
    workers: int = 4,
    sums: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Fetched:
    """Download files that are not there yet.

    Parameters
    ----------
    paths : iterable of str
        Relative to `base`, as `survey_paths` gives them; kept below `out`.
    out : path
        A folder of its own. A file in it is complete: it is renamed into place once its length,
        its structure as FITS and, where known, its checksum are right.
    base : str
        The survey's archive, or a mirror of it.
    workers : int
        Files at a time.
    sums : mapping of str to str, optional
        Checksum (md5, sha1 or sha256) by path.
    progress : callable, optional
        Called with the number of files done and how many of them could not be had.

    Returns
    -------
    Fetched

    Raises
    ------
    UserError
        If `out` holds something else or may not be written, or nothing answers at `base`; what is
        there is kept, and the same call goes on.

    Notes
    -----
    A lost connection, a body that is too short and the answers 429 and 5xx are tried again, with
    growing pauses, or after as long as the answer asks (`Retry-After`).
    """
    retry = urllib3.Retry(
        TRIES,
        status_forcelist=BUSY,
        raise_on_status=False,
        backoff_factor=PAUSE,
        backoff_max=LONGEST,
        backoff_jitter=PAUSE,
    )
    wanted = list(dict.fromkeys(paths))
    missing: list[tuple[str, str]] = []
    pool = ThreadPoolExecutor(workers)
    timeout = urllib3.Timeout(connect=15, read=60)
    with (
        work_in(out, DOWNLOADS, MARK) as folder,
        urllib3.PoolManager(maxsize=workers, block=True, retries=retry, timeout=timeout) as client,
        pool,
    ):
        if not (folder / MARK).exists():
            with write_beside(folder / MARK) as beside:
                beside.write_text(json.dumps({"creator": DOWNLOADS.creator, "base": base}) + "\n")
        work = partial(_fetch, client, base.rstrip("/") + "/", folder, sums or {})
        row = 0
        for done, failure in enumerate(in_order(pool, work, wanted, AHEAD * workers), 1):
            hopeless = failure is not None and not failure.gone
            row = row + 1 if hopeless else 0
            if failure is not None:
                missing.append((wanted[done - 1], failure.words))
                if row == HOPELESS:
                    raise UserError(
                        f"{base}: {row} files in a row could not be had ({failure.words}); what is "
                        "there is kept: run the same command again, or name a mirror"
                    )
            if progress is not None:
                progress(done, len(missing))
    table = Table(rows=missing or None, names=("file", "reason"), dtype=(str, str))
    return Fetched(len(wanted) - len(missing), table)


class Failure(NamedTuple):
    """Why a file could not be had, and whether the archive says that there is none."""

    words: str
    gone: bool


def _fetch(
    client: urllib3.PoolManager, base: str, folder: Path, sums: Mapping[str, str], path: str
) -> Failure | None:
    target = folder / path
    if ".." in target.parts or not target.is_relative_to(folder):
        return Failure("leads out of the folder", True)
    if target.exists():
        return None
    failure = Failure("was never whole", False)
    for _ in range(3):  # a body that is whole by its length may be broken all the same
        try:
            answer = client.request("GET", base + path)
        except urllib3.exceptions.HTTPError as error:
            return Failure(_words(error), False)
        if answer.status != 200:
            return Failure(f"the archive answers {answer.status}", answer.status in GONE)
        wrong = _wrong(path, answer.data, sums.get(path))
        if wrong is None:
            with write_beside(target) as beside:
                beside.write_bytes(answer.data)
            return None
        failure = Failure(wrong, False)
    return failure


def _words(error: Exception) -> str:
    cause = getattr(error, "reason", None) or error
    return reason(cause).split(": ")[-1]


def _wrong(path: str, data: bytes, digest: str | None) -> str | None:
    """Say what is wrong with the bytes of a file; None where nothing is."""
    if digest is not None:
        kind = DIGESTS.get(len(digest))
        if kind is None:
            return f"has a checksum of no known kind ({digest})"
        if hashlib.new(kind, data).hexdigest() != digest.lower():
            return f"has another {kind} than is published"
    try:
        plain = gzip.decompress(data) if path.endswith(".gz") else data
    except (OSError, EOFError) as error:
        return f"is no whole gzip file ({reason(error)})"
    is_fits = path.removesuffix(".gz").endswith(".fits")
    if is_fits and not (plain.startswith(b"SIMPLE") and len(plain) % BLOCK == 0):
        return "is no whole FITS file"
    return None


def read_sums(path: str | os.PathLike) -> dict[str, str]:
    """Read checksums by path, as `md5sum` and `sha1sum` write them: `digest  path` a line.

    Raises
    ------
    UserError
        If the file is missing, or a line is something else.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as checksums ({reason(error)})") from error
    found = {}
    for line in filter(str.strip, lines):
        digest, _, name = line.partition(" ")
        if len(digest) not in DIGESTS or not name.strip():
            raise UserError(f"{path}: {line[:60]!r} is no line of a checksum and a file")
        found[name.strip().lstrip("*").removeprefix("./")] = digest
    return found
