"""Write every measured number of the documentation from docs/results/*.json.

    python scripts/results.py                  write the pages and blocks again
    python scripts/results.py demo FOLDER      first take the numbers of a demo run
    python scripts/results.py star             first infer the real star of the README
    python scripts/results.py spectra FILE     first take rows of `benchmarks.real_spectra --json`
    python scripts/results.py training FILE... first take runs of `bayescannon bench train --out`

A result is one JSON file: `title`, `summary` and `tables`. A table has `title`, `about` (which
data: real or semi-synthetic), `command`, `commit`, `date`, `machine`, `columns`, `rows` and
`notes`. Rows are lists, or mappings where `columns` maps keys to headings; a mapping may name a
command of its own. Each file becomes a page of the same name, and its first table fills the block

    <!-- results: NAME -->
    <!-- end of results -->

of any page that has one. `tests/test_docs.py` checks that nothing was changed by hand.
"""

import json
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
START, END = "<!-- results: {} -->", "<!-- end of results -->"
LABELS = {
    "teff": ("Teff [K]", "{:.1f}"),
    "logg": ("log g [dex]", "{:.4f}"),
    "feh": ("[Fe/H] [dex]", "{:.4f}"),
    "afe": ("[alpha/Fe] [dex]", "{:.4f}"),
    "ln_mass": ("ln mass", "{:.3f}"),
}
PICTURES = ("crossval", "calibration", "ages")
STAR = "tests/data/apStar-r5-2M00004994+1621552.fits.gz"
STAR_MODEL = "models/apogee-dr12-four-label"
ASPCAP_DR12 = {"teff": 4705.0, "logg": 2.58, "feh": 0.10, "afe": 0.05}


def load(name: str) -> dict:
    """Return the result of that name."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def save(name: str, result: dict) -> None:
    """Write a result as JSON."""
    text = json.dumps(result, indent=1, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def measured(command: str, machine: str) -> dict[str, str]:
    """Return the head of a table: how, from which commit, when and where it was measured."""
    git = ["git", "-C", str(ROOT), "rev-parse", "--short=8", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    return {
        "command": command,
        "commit": commit,
        "date": date.today().isoformat(),
        "machine": machine,
    }


def layout(table: dict) -> str:
    """Return a table of results as Markdown, without title and notes."""
    columns, rows = table["columns"], table["rows"]
    if isinstance(columns, dict):
        rows = [[row.get(key, "") for key in columns] for row in rows]
        columns = list(columns.values())
    lines = [columns, ["-"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def source(table: dict) -> str:
    """Return one line that says what made a table; a row may have its own command and commit."""
    if not table["rows"]:
        return "Not measured yet."
    made = [table, *(row for row in table["rows"] if isinstance(row, dict))]
    commits = {m["command"]: m.get("commit", table["commit"]) for m in made if "command" in m}
    commands = ", ".join(f"`{command}` (commit {commit})" for command, commit in commits.items())
    return ", ".join(filter(None, [commands, table.get("date"), table.get("machine")])) + "."


def page(name: str) -> str:
    """Return the page of a result."""
    result = load(name)
    head = f"<!-- Written by scripts/results.py from {name}.json. -->"
    parts = [f"# {result['title']}", head, result["summary"]]
    for table in result["tables"]:
        parts += [f"## {table['title']}", table.get("about", ""), layout(table), source(table)]
        parts.append("\n".join(f"- {note}" for note in table.get("notes", ())))
    return "\n\n".join(filter(None, parts)) + "\n"


def block(name: str) -> str:
    """Return what stands between the markers of a page: the first table and what made it."""
    table = load(name)["tables"][0]
    return "\n\n".join([layout(table), f"*{source(table)}*"])


def filled(text: str, name: str) -> str:
    """Return the text of a page with its block of that result written again."""
    start = START.format(name)
    before, rest = text.split(start)
    return f"{before}{start}\n{block(name)}\n{END}{rest.split(END, 1)[1]}"


def written() -> dict[Path, str]:
    """Return every page that the results write, with the text that it must have."""
    names = sorted(path.stem for path in RESULTS.glob("*.json"))
    pages = {RESULTS / f"{name}.md": page(name) for name in names}
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("[!_]*/*.md"))]:
        text = path.read_text(encoding="utf-8")
        for name in names:
            if START.format(name) in text:
                text = pages[path] = filled(text, name)
    return pages


def take_demo(folder: Path) -> None:
    """Take accuracy and calibration of a demo run, and its pictures."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    rows = []
    for name, (words, form) in LABELS.items():
        z, held = summary[f"test.z.{name}"], 100 * summary[f"test.coverage68.{name}"]
        test, folds = (form.format(summary[f"{k}.rms.{name}"]) for k in ("test", "crossval"))
        rows.append([words, test, f"{z:.2f}", f"{held:.0f} %", folds])
    dex = summary["crossval.rms.ln_mass"] / 2.302585
    notes = [
        f"Cross-validation has real masses, and every {summary['crossval_stride']}th pixel.",
        f"Mass against the catalogue: {dex:.3f} dex rms, on semi-synthetic spectra. "
        "Ness et al. (2016) report 0.07 dex on real spectra.",
        f"The median age of the test stars is {summary['age.median']:.1f} Gyr. "
        f"{summary['stars.bad']} of {summary['stars.test']} stars are bad; "
        f"{summary['stars.flagged'] - summary['stars.bad']} more carry warnings.",
        f"The stages took {summary['seconds.total']:.0f} s.",
    ]
    columns = ["label", "rms error, test", "error / sd", "68 % interval holds"]
    table = {
        "title": "Labels of the demo",
        "about": "Semi-synthetic spectra, seed 0: 1639 training stars and 2000 test stars of the "
        "mock scenario; cross-validation on 1502 stars with real masses.",
        **measured("bayescannon demo --out demo", "two cores"),
        "columns": [*columns, "cross-validated rms, real masses"],
        "rows": rows,
        "notes": notes,
    }
    save("demo", load("demo") | {"tables": [table]})
    for name in PICTURES:
        shutil.copy(folder / "figures" / f"{name}.png", ROOT / "docs" / "images")


def infer_star() -> None:
    """Infer the real star of the README, beside what the survey says of it."""
    import numpy as np

    import bayescannon as bc

    model = bc.Model.load(ROOT / STAR_MODEL)
    post = bc.infer(model, bc.ingest_files([ROOT / STAR], model.recipe.pixels)[0])
    rows = []
    for i, name in enumerate(model.labels):
        words, form = LABELS[name]
        mean = float(post["point"]["mean"][0, i])
        sd = float(np.sqrt(post["point"]["cov"][0, i, i]))
        survey = ASPCAP_DR12[name]
        off = f"{(mean - survey) / sd:+.0f} sd"
        rows.append([words, form.format(mean), form.format(sd), f"{survey:g}", off])
    command = f"bayescannon infer --model {STAR_MODEL} {STAR}"
    table = load("real_star")["tables"][0] | {"rows": rows} | measured(command, "two cores")
    save("real_star", load("real_star") | {"tables": [table]})


def take_spectra(file: Path) -> None:
    """Take the rows of one set of real spectra; those of the same set are replaced."""
    result = load("real_spectra")
    table = result["tables"][0]
    head = measured("", "")
    new = [row | {"commit": head["commit"]} for row in json.loads(file.read_text(encoding="utf-8"))]
    kept = [row for row in table["rows"] if row["set"] not in {row["set"] for row in new}]
    table |= {"rows": [*kept, *new], "date": head["date"]}
    save("real_spectra", result)


def take_training(files: list[Path]) -> None:
    """Take runs of trainings whose truth is known; earlier runs of the same settings go."""
    result = load("training")
    table, new = result["tables"][0], {}
    for file in files:
        found = json.loads(file.read_text(encoding="utf-8"))
        judged = [j for j in found["population"].values() if "z" in j]
        words = {"seed": 0, "every": 1, "stated": 1.0, "model_error": 0.0, "states": False}
        command = f"bayescannon bench train --scenario {found['scenario']}"
        for key, default in words.items():
            if found[key] != default:
                value = "" if found[key] is True else f" {found[key]:g}"
                command += f" --{key.replace('_', '-')}{value}"
        bent = [f"{n} ({g:.0f})" for n, g in found["training"]["curvature_gain"].items()]
        budget = found["training"]["error_budget"]["labels"].values()
        new[command] = {
            "run": f"`{command.split('--scenario ')[1]}`",
            "z": ", ".join(f"{j['z']:.2f}" for j in judged),
            "in68": ", ".join(f"{100 * j['coverage68']:.0f}" for j in judged),
            "rms": ", ".join(f"{j['rms']:.3g}" for j in judged),
            "model": ", ".join(f"{e['model']:.2g}" for e in budget),
            "curved": ", ".join(bent) or "none",
            "seconds": f"{found['cpu']:.0f}",
            "command": command,
            "commit": measured("", "")["commit"],
        }
    kept = [row for row in table["rows"] if row["command"] not in new]
    rows = sorted([*kept, *new.values()], key=lambda row: row["run"])
    table |= {"rows": rows, "date": date.today().isoformat()}
    save("training", result)


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            pass
        case ["demo", folder]:
            take_demo(Path(folder))
        case ["spectra", file]:
            take_spectra(Path(file))
        case ["training", *files]:
            take_training([Path(file) for file in files])
        case ["star"]:
            infer_star()
        case _:
            sys.exit(__doc__)
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
