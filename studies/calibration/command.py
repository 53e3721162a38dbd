"""`calibrate`: are the posteriors calibrated, and where not? In one command."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from bayescannon.cli.console import Seed, console, progress, text_table
from bayescannon.cli.lazy import plain_app
from bayescannon.errors import UserError
from bayescannon.files import work_in, write_beside
from bayescannon.marks import CALIBRATION
from studies.calibration.html import report
from studies.calibration.report import judge_scenario, load_scenario
from studies.calibration.runner import NAMES, part_folder, run_part
from studies.calibration.scenarios import FULL, QUICK, SCENARIOS, Size

RECORDED = "quadratic"
"""Scenario whose inflation is written for use."""
CAPTION = "intervals hold [%], z-width; after: with the recorded inflation"

app = plain_app()


@app.command()
def calibrate(
    out: Annotated[Path, typer.Option(help="Folder to write; scenarios that are there are kept.")],
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Ten minutes on two cores: few stars, every tenth pixel, one seed a scenario.",
        ),
    ] = False,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario", "--world", help=f"Only this one ({', '.join(NAMES)}); may be repeated."
        ),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Judge posteriors where the truth is known, and write report.html and report.json.

    Every scenario that is done is kept in OUT/scenarios: the same command resumes.
    """
    for name in scenario or ():
        if name not in NAMES:
            raise UserError(f"--scenario {name} is unknown: use one of {', '.join(NAMES)}")
    with work_in(out, CALIBRATION) as folder:
        most_seeds = 1 if quick else 3
        run(folder, QUICK if quick else FULL, seed, scenario or list(NAMES), most_seeds)


def run(out: Path, size: Size, seed: int, wanted: list[str], most_seeds: int = 3) -> dict:
    """Run the wanted scenarios, and report all that are complete; gives what the JSON holds."""
    begin, kept = time.perf_counter(), out / "scenarios"
    seeds = {
        name: range(
            seed, seed + min(most_seeds, SCENARIOS[name].n_seed if name in SCENARIOS else 1)
        )
        for name in NAMES
    }
    for name in (n for n in NAMES if n in wanted):
        for one in seeds[name]:
            with progress(f"{name}, seed {one}", 1) as update:
                run_part(kept, name, size, one)
                update(1)
    folders = {name: [part_folder(kept, name, size, s) for s in seeds[name]] for name in NAMES}
    done = {n: f for n, f in folders.items() if all((p / "about.json").is_file() for p in f)}
    scenarios, samples = {}, {}
    with progress("judging", len(done)) as update:
        for i, (name, parts) in enumerate(done.items()):
            samples[name], baselines = load_scenario(parts)
            scenarios[name] = judge_scenario(name, samples[name], baselines, parts)
            update(i + 1)
    made = sum(about["seconds"] for found in scenarios.values() for about in found["about"])
    ran = {"quick": size != FULL, "size": size._asdict(), "seed": seed, "seconds": made}
    text = json.dumps(ran | {"scenarios": scenarios}, indent=1)
    _write(out / "report.json", text + "\n")
    _write(out / "report.html", report(scenarios, samples, size))
    if RECORDED in scenarios:
        halves = scenarios[RECORDED]["inflation"]
        mean = {k: [sum(c) / len(c) for c in zip(*v, strict=True)] for k, v in halves.items()}
        _write(out / "inflation.json", json.dumps(mean, indent=1) + "\n")
    _show(scenarios)
    console.print(
        f"{out / 'report.html'}: {time.perf_counter() - begin:.0f} s now, all of it {made:.0f} s"
    )
    return scenarios


def _write(path: Path, text: str) -> None:
    with write_beside(path) as beside:
        beside.write_text(text, encoding="utf-8")


def _show(scenarios: dict[str, dict]) -> None:
    heads = ("quantity", "50", "68", "90", "95", "z", "68\nafter", "z\nafter", "checks")
    for scenario, found in scenarios.items():
        rows: list[tuple[str, ...]] = []
        for name, q in found["quantities"].items():
            b, a = q["before"], q["after"]
            held = [f"{100 * c:.1f}" for c in b["coverage"]]
            later = f"{100 * a['coverage'][1]:.1f}", f"{a['z']:.3f}"
            word = "breaks" if q["breaks"] else "holds"
            rows.append((name, *held, f"{b['z']:.3f}", *later, word))
        console.print(text_table(heads, rows, f"{scenario}: {found['title']}"))
    console.print(CAPTION)
