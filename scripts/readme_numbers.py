"""Put the figures and pictures of a demo run into the README.

    bayescannon demo --out demo && python scripts/readme_numbers.py demo

Replaces what stands between the two markers in README.md, and docs/images/*.png.
"""

import json
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START, END = "<!-- numbers: scripts/readme_numbers.py -->", "<!-- end of numbers -->"
LABELS = {
    "teff": ("Teff [K]", "{:.1f}"),
    "logg": ("log g [dex]", "{:.4f}"),
    "feh": ("[Fe/H] [dex]", "{:.4f}"),
    "afe": ("[alpha/Fe] [dex]", "{:.4f}"),
    "ln_mass": ("ln mass", "{:.3f}"),
}
PICTURES = ("crossval", "calibration", "ages")


def table(summary: dict) -> str:
    """Lay out accuracy and calibration of every label as a Markdown table."""
    rows = [
        "| label | rms error, test | error / sd | 68 % interval holds | cross-validated rms* |",
        "|---|---|---|---|---|",
    ]
    for name, (words, form) in LABELS.items():
        z, held = summary[f"test.z.{name}"], 100 * summary[f"test.coverage68.{name}"]
        test, folds = (form.format(summary[f"{k}.rms.{name}"]) for k in ("test", "crossval"))
        rows.append(f"| {words} | {test} | {z:.2f} | {held:.0f} % | {folds} |")
    dex = summary["crossval.rms.ln_mass"] / 2.302585
    rows += [
        "",
        f"*On a fifth of the pixels. Mass against the catalogue: {dex:.3f} dex rms (the paper, on "
        f"real spectra: 0.07). Median age of the test stars {summary['age.median']:.1f} Gyr. "
        f"{summary['stars.flagged']} of {summary['stars.test']} stars are flagged. The stages took "
        f"{summary['seconds.total']:.0f} s on two cores with compiled programs cached.",
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    demo, readme = Path(sys.argv[1]), ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(START)
    after = rest.split(END)[1]
    numbers = table(json.loads((demo / "summary.json").read_text()))
    readme.write_text(f"{before}{START}\n\n{numbers}\n\n{END}{after}", encoding="utf-8")
    (ROOT / "docs" / "images").mkdir(parents=True, exist_ok=True)
    for name in PICTURES:
        shutil.copy(demo / "figures" / f"{name}.png", ROOT / "docs" / "images")
