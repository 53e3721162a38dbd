"""The report of `calibrate`: one HTML file, pictures inside."""

import base64
import html
import io

import numpy as np
from matplotlib.figure import Figure

from bayescannon.plots.calibration import draw_pit
from studies.calibration.plots import draw_coverage_bins, draw_deciles, draw_ecdf
from studies.calibration.sample import Sample
from studies.calibration.scenarios import FULL, Size

HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Calibration</title>
<style>body{font:15px/1.45 sans-serif;max-width:76em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;font-size:13px}td,th{border:1px solid #bbb;padding:2px 7px;
text-align:right}td:first-child,td:nth-child(2){text-align:left}img{max-width:100%}
.breaks{background:#fbe3d6}</style></head><body>
<h1>Are the posteriors calibrated?</h1>
<p>All spectra are semi-synthetic. Intervals are central; <i>z-width</i> is the standard deviation
of (posterior mean - truth) / sd. <i>After</i>: with the inflation that was fitted to the other half
of the stars; it is off unless asked for. Bins are of observed quantities: coverage in bins of the
TRUE value fails even for the exact posterior.</p>
"""
COLUMNS = (
    "scenario",
    "quantity",
    "stars",
    "50",
    "68",
    "90",
    "95",
    "z-width",
    "> 5 sd [%]",
    "rms",
    "after: 50",
    "68",
    "90",
    "95",
    "z-width",
    "PIT map: 68",
    "checks",
)


ALT = {
    "pit": "Histograms of the PIT of each quantity, as it comes",
    "pit_after": "Histograms of the PIT of each quantity, after the inflation",
    "ecdf": "Distance of the PIT's distribution from the uniform one, with its 99 % band",
    "bins": "Coverage of the 68 % interval in bins of observed quantities",
    "deciles_labels": "Share of stars with bad or flagged labels, in tenths of the sample",
    "deciles_ages": "Share of stars with bad or flagged ages, in tenths of the sample",
}
"""What a picture shows, for those who do not see it."""


def report(scenarios: dict[str, dict], samples: dict[str, dict[str, Sample]], size: Size) -> str:
    """Write the report of judged scenarios as HTML."""
    ran = f"{size.training} training stars, {size.test} test stars, 1 pixel in {size.stride}"
    how = "Full run" if size == FULL else "Quick run, too small to judge by"
    parts = [HEAD, f"<p>{how}: {ran}.</p>", _table(scenarios)]
    for name, found in scenarios.items():
        parts.append(f"<h2>{html.escape(name)}: {html.escape(found['title'])}</h2><ul>")
        parts += [f"<li>{html.escape(line)}</li>" for line in found["words"]]
        parts.append("</ul>")
        parts.append(_scores(found.get("scores", {})))
        parts += [
            f'<p><img alt="{name}: {ALT[kind]}" src="data:image/png;base64,{_png(figure)}"></p>'
            for kind, figure in pictures(found, samples[name]).items()
        ]
    return "\n".join([*parts, "</body></html>\n"])


def pictures(found: dict, samples: dict[str, Sample]) -> dict[str, Figure]:
    """Draw the pictures of one scenario."""
    names = [name for s in samples.values() for name in s.names.tolist()]
    note = "semi-synthetic"
    before = _side_by_side([s.pit() for s in samples.values()])
    after = _side_by_side([s.inflated()[0].pit() for s in samples.values()])
    bins = {name: q["before"]["bins"] for name, q in found["quantities"].items()}
    drawn = {
        "pit": draw_pit(before, names, heading="As it comes", note=note),
        "pit_after": draw_pit(after, names, heading="After the inflation", note=note),
        "ecdf": draw_ecdf(before, names, note=note),
        "bins": draw_coverage_bins(bins, note=note),
    }
    for part, warned in found["warnings"].items():
        heading = f"Bad and flagged stars, {part}"
        drawn[f"deciles_{part}"] = draw_deciles(warned["deciles"], heading=heading, note=note)
    return drawn


def _side_by_side(pit: list[np.ndarray]) -> np.ndarray:
    longest = max(len(p) for p in pit)
    rows = [np.pad(p, ((0, longest - len(p)), (0, 0)), constant_values=np.nan) for p in pit]
    return np.concatenate(rows, axis=1)


def _table(scenarios: dict[str, dict]) -> str:
    rows = ["<table><tr>" + "".join(f"<th>{c}</th>" for c in COLUMNS) + "</tr>"]
    for scenario, found in scenarios.items():
        for name, q in found["quantities"].items():
            b, a = q["before"], q["after"]
            cells = [
                scenario,
                html.escape(name),
                str(b["n"]),
                *(f"{100 * c:.1f}" for c in b["coverage"]),
                f"{b['z']:.3f}",
                f"{100 * b['beyond_five']:.2f}",
                f"{b['rms']:.4g}",
                *(f"{100 * c:.1f}" for c in a["coverage"]),
                f"{a['z']:.3f}",
                f"{100 * q['pit_map'][1]:.1f}",
                "breaks" if q["breaks"] else "holds",
            ]
            kind = ' class="breaks"' if q["breaks"] else ""
            rows.append(f"<tr{kind}>" + "".join(f"<td>{c}</td>" for c in cells) + "</tr>")
    return "\n".join([*rows, "</table>"])


def _scores(scores: dict) -> str:
    if not scores:
        return ""
    ours = scores["ours"]
    rows = [
        "<p>Scores of ln mass (lower is better): CRPS "
        f"{ours['crps']:.4f}, log score {ours['log']:.3f}. Against:</p><ul>"
    ]
    for name, found in scores.items():
        if name != "ours":
            words = [
                f"{kind} {s['theirs']:.4f}, gain {s['gain']:+.4f} &plusmn; {s['error']:.4f} "
                f"({s['in_errors']:+.1f} standard errors)"
                for kind, s in found.items()
            ]
            rows.append(f"<li>{html.escape(name)}: {'; '.join(words)}</li>")
    return "\n".join([*rows, "</ul>"])


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80, metadata={"Software": None})
    return base64.b64encode(buffer.getvalue()).decode()
