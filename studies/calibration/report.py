"""Everything that is said of one scenario: figures before and after recalibration, and words."""

import json
from pathlib import Path

import numpy as np

from studies.calibration.checks import (
    beaten,
    figures_of,
    limits_of,
    misses,
    pit_recalibrated,
    scores_of,
    warnings_of,
)
from studies.calibration.runner import FOLDS, KNOWN
from studies.calibration.sample import Sample, join
from studies.calibration.scenarios import SCENARIOS

TITLES = {
    KNOWN: "inference alone: the model that made the stars is known",
    FOLDS: "real labels in folds: semi-synthetic spectra, real masses with their real errors",
} | {name: setting.title for name, setting in SCENARIOS.items()}


def load_scenario(folders: list[Path]) -> tuple[dict[str, Sample], dict[str, np.ndarray]]:
    """Read samples and baselines of all seeds of a scenario."""
    samples = {
        name: join([Sample.load(folder / f"{name}.npz") for folder in folders])
        for name in ("labels", "ages")
        if (folders[0] / f"{name}.npz").is_file()
    }
    baselines: dict[str, list] = {}
    for folder in folders:
        if (folder / "baselines.npz").is_file():
            with np.load(folder / "baselines.npz") as stored:
                for name in stored.files:
                    baselines.setdefault(name, []).append(stored[name])
    return samples, {name: np.concatenate(parts, axis=1) for name, parts in baselines.items()}


def judge_scenario(
    scenario: str, samples: dict[str, Sample], baselines: dict, folders: list[Path]
) -> dict:
    """Judge a scenario.

    Returns
    -------
    dict
        `quantities`: name -> `before`, `after` (figures, with `seeds`: z-width of each),
        `pit_map` (coverage), `breaks`, `breaks_after` (words); `scores`; `warnings` per sample;
        `inflation` (coefficients); `about` (each seed's run); `words`.
    """
    out: dict = {"title": TITLES[scenario], "quantities": {}, "warnings": {}, "inflation": {}}
    n_quantity = sum(len(s.names) for s in samples.values())
    for part, sample in samples.items():
        before = figures_of(sample, ranked=scenario == KNOWN)
        wide, coefficients = sample.inflated()
        after, mapped = figures_of(wide, ranked=False), pit_recalibrated(sample)
        for name, figures in before.items():
            later = limits_of(scenario, name, after=True)._replace(uniform=False, rms=None)
            out["quantities"][name] = {
                "before": figures,
                "after": after[name],
                "pit_map": mapped[name],
                "breaks": misses(figures, limits_of(scenario, name), n_quantity),
                "breaks_after": misses(after[name], later),
            }
        out["warnings"][part] = warnings_of(sample)
        out["inflation"] |= coefficients
    if baselines:
        out["scores"] = scores_of(samples["labels"], baselines)
        out["beaten"] = beaten(out["scores"])
    out["about"] = [json.loads((f / "about.json").read_text(encoding="utf-8")) for f in folders]
    out["words"] = in_words(out)
    return out


def in_words(found: dict) -> list[str]:
    """Say where a scenario holds and where it breaks, a line each."""
    whole = [name for name, q in found["quantities"].items() if not q["breaks"]]
    lines = [f"Holds: {', '.join(whole) or 'nothing'}."]
    for name, q in found["quantities"].items():
        if q["breaks"]:
            lines.append(f"Breaks: {name}: {'; '.join(q['breaks'])}.")
    mended = [n for n, q in found["quantities"].items() if q["breaks"] and not q["breaks_after"]]
    if mended:
        lines.append(f"Mended by the recorded inflation, but for sharpness: {', '.join(mended)}.")
    for name, q in found["quantities"].items():
        if q["breaks_after"]:
            lines.append(f"After inflation still: {name}: {'; '.join(q['breaks_after'])}.")
    if "beaten" in found:
        lost = [name for name, won in found["beaten"].items() if not won]
        lines.append(
            f"Scores of ln mass do not beat by three standard errors: {', '.join(lost)}."
            if lost
            else "Scores of ln mass beat every baseline by more than three standard errors."
        )
    for part, w in found["warnings"].items():
        lines.append(
            f"Flags ({part}): {100 * w['bad']:.1f} % of stars are off by more than 3 sd; of those "
            f"{100 * w['bad_flagged']:.0f} % carry a flag, of the others "
            f"{100 * w['good_flagged']:.0f} %."
        )
        for by, tenth in w["deciles"].items():
            lines.append(
                f"In the tenth with the largest {by}, {100 * tenth['bad'][-1]:.1f} % are off by "
                f"more than 3 sd; in the tenth with the smallest, {100 * tenth['bad'][0]:.1f} %."
            )
    return lines
