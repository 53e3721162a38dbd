"""What commands show: results on standard output, progress and warnings on standard error."""

import shlex
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import typer
import xarray as xr
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from bayescannon import flags
from bayescannon.cli.report import report, stamp
from bayescannon.errors import UserError
from bayescannon.trees import array, point_sd

LOG_EVERY = 1.0
"""Seconds between log lines of one stage, at least."""


class Results(Console):
    """Standard output: what a command found. With `--json` it is kept for the JSON object."""

    def print(self, *objects: Any, **how: Any) -> None:
        """Print as Rich does."""
        text = " ".join(map(str, objects))
        report.write(text)
        report.lines.extend(text.splitlines())
        if not report.as_json:
            super().print(*objects, **how)


class Notes(Console):
    """Standard error: progress and warnings. `--quiet` keeps them back."""

    def print(self, *objects: Any, **how: Any) -> None:
        """Print as Rich does."""
        report.write(" ".join(map(str, objects)))
        if not report.quiet:
            super().print(*objects, **how)


# a path may hold square brackets, and a line that is piped keeps its length
console = Results(markup=False, emoji=False, highlight=False, soft_wrap=True)
log = Notes(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)

Seed = Annotated[int, typer.Option(help="Seed of all random numbers.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an earlier output of this command.")
]
ModelPath = Annotated[Path, typer.Option(help="Model folder, or the name of a shipped model.")]
PixelsRecipe = Annotated[
    Path | None, typer.Option(help="Recipe whose [pixels] to follow; the defaults without.")
]
NoSeed = Annotated[int, typer.Option("--seed", hidden=True)]
"""Taken by the commands that draw no random numbers, so that scripts may give it to all."""


def command_line() -> str:
    """What the user typed, as a command line would take it again."""
    return shlex.join(["bayescannon", *sys.argv[1:]])


class TimeColumn(ProgressColumn):
    """Time left; once done, time taken."""

    def render(self, task: Task) -> Text:
        """Write minutes and seconds."""
        if task.finished:
            return Text(f"in {_minutes(task.finished_time or 0)}")
        return TimeRemainingColumn(compact=True).render(task) + Text(" left")


class RateColumn(ProgressColumn):
    """Number done per second."""

    def render(self, task: Task) -> Text:
        """Write the rate of the last half minute, or of the whole."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.0f}/s")


@contextmanager
def progress(title: str, total: int, rate: bool = False) -> Generator[Callable[..., None]]:
    """Show a bar with the number done, the time left and the rate; yields `update(done)`.

    `update(done, bad)` shows how many so far are not good, too.
    """
    columns = (
        TextColumn("{task.description:<22}", markup=False),
        BarColumn(bar_width=None),  # takes what the others leave
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeColumn(),
        *([RateColumn()] if rate else []),
    )
    lines = _Lines(title, total)
    has_bar = log.is_terminal and not report.quiet
    with Progress(*columns, console=log, expand=True, disable=not has_bar) as bar:
        task = bar.add_task(title, total=max(total, 1))

        def update(done: int, bad: int | None = None) -> None:
            words = title if bad is None else f"{title}, {bad} not good"
            bar.update(task, completed=done, description=words)
            lines.update(done, words, shown=not has_bar or report.verbose)

        try:
            yield update
        except UserError:
            bar.live.transient = True  # one line says what to do: no bar stays beside it
            raise
        bar.update(task, completed=max(total, 1))
        lines.end(shown=not has_bar or report.verbose)


class _Lines:
    """What stands for a bar in a log file, and where there is no terminal: a line now and then."""

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total = title, total
        self.begin = self.last = time.monotonic()

    def update(self, done: int, words: str, shown: bool) -> None:
        """Tell how many are done, at what rate, and how long the rest takes."""
        now = time.monotonic()
        if done and now - self.last >= LOG_EVERY:
            self.last = now
            rate = done / (now - self.begin)
            left = _minutes((self.total - done) / rate)
            self._tell(f"{words}: {done}/{self.total}, {rate:.1f}/s, {left} left", shown)

    def end(self, shown: bool) -> None:
        """Tell how long it took."""
        took = _minutes(time.monotonic() - self.begin)
        self._tell(f"{self.title}: {self.total}/{self.total} in {took}", shown)

    def _tell(self, line: str, shown: bool) -> None:
        if shown:
            log.print(f"{stamp()} {line}")
        else:
            report.write(line)


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    return f"{minutes:02d}:{rest:02d}"


def text_table(heads: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> str:
    """Lay out a table whose words are never cut, however narrow the terminal.

    Parameters
    ----------
    heads : sequence of str
        One a column; a line break makes a narrow head of several lines.
    rows : sequence of sequences of str
        Cells. The first column stands to the left, the others to the right.
    title : str
        A line above.
    """
    tops = list(zip_longest(*(head.split("\n")[::-1] for head in heads), fillvalue=""))[::-1]
    widths = [max(map(len, column)) for column in zip(*tops, *rows, strict=True)]
    lines = [title] if title else []
    for first, *rest in (*tops, ["-" * width for width in widths], *rows):
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def posterior_table(post: xr.DataTree, most: int = 10) -> str:
    """Lay out mean and standard deviation of every label for the first stars."""
    labels = [str(name) for name in array(post, "point/parameter")]
    means, sds = array(post, "point/mean"), point_sd(post)
    stats = post["sample_stats"].to_dataset()
    star_id, rows = array(post, "point/star"), []
    for i, star in enumerate(star_id[:most]):
        dof = float(stats["dof"].values[i])
        chi2 = f"  reduced chi2 {float(stats['chi2'].values[i]) / dof:.2f}" if dof > 0 else ""
        raised = flags.explain(int(stats["flags"].values[i]))
        about = [str(star), chi2, *(f"  {line.split(':')[0]}" for line in raised)]
        numbers = zip(labels, means[i], sds[i], strict=True)
        about_labels = [(name, f"{mean:.5g}", f"{sd:.2g}") for name, mean, sd in numbers]
        both = zip_longest(filter(None, about), about_labels)
        rows += [(left or "", *(right or ("", "", ""))) for left, right in both]
    title = f"posterior of the labels ({post.attrs['method']})"
    if len(star_id) > most:
        title += f", the first {most} of {len(star_id)} stars"
    return text_table(("star", "label", "mean", "sd"), rows, title)
