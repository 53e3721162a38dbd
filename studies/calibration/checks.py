"""From samples to figures, from figures to plain words: where posteriors hold, and where not."""

from typing import NamedTuple

import numpy as np

from bayescannon.calibration import (
    LEVELS,
    beyond,
    binned_coverage,
    binomial_error,
    compare,
    convolve,
    coverage,
    crps,
    crps_normal,
    fit_pit_map,
    judge_ranks,
    ks_distance,
    log_score,
    log_score_normal,
    ranks,
    recalibrate_pit,
    z_width,
)
from studies.calibration.sample import Sample

SBC_STARS = 1000
BIN_STARS, BINS = 1500, 10
SIXTY_EIGHT = 1
"""Place of 68 % in `LEVELS`."""
NO_COVERAGE = np.full(len(LEVELS), np.nan)
NOTHING = {"n": 0, "without": 1.0, "coverage": NO_COVERAGE.tolist(), "bins": {}} | dict.fromkeys(
    ("z", "bias_sd", "rms", "beyond_five", "ks", "crps"), np.nan
)
"""Figures of a quantity that no star has."""
BAD_STAR = 3.0
"""A star is bad where a quantity is off by more sds than this."""
CHANCE = 3.3
"""Binomial errors that a coverage may miss by, where few stars make that more than the limit."""
ENOUGH_ERRORS = 3.0
"""A score is better if by more standard errors than this."""


class Limits(NamedTuple):
    """What is demanded of one quantity; None where nothing is."""

    coverage: tuple[float, ...] | None = None
    """Largest miss at each of `LEVELS`, as a share."""
    z: tuple[float, float] | None = None
    uniform: bool = False
    """Ranks of the first 1,000 stars pass."""
    in_bins: float | None = None
    """Largest miss at 68 % in any bin of at least 1,500 stars."""
    ks: float | None = None
    beyond_five: float | None = None
    rms: float | None = None


EXACT = Limits((0.02, 0.015, 0.01, 0.008), uniform=True, in_bins=0.045)
OTHERS, OTHERS_AFTER = Limits(z=(0.85, 1.20)), Limits(z=(0.95, 1.05))
MASS = Limits((0.06, 0.06, 0.04, 0.03), (0.90, 1.10), rms=0.080)
AGE = MASS._replace(rms=None)
AFTER = Limits((0.03, 0.025, 0.015, 0.01), (0.90, 1.10))
CATALOGUE_MASS = Limits(z=(0.93, 1.07), ks=0.049, beyond_five=0.01, rms=0.058 * np.log(10))


def limits_of(scenario: str, quantity: str, after: bool = False) -> Limits:
    """Look up the demands; `after` the recorded inflation there are stricter ones."""
    if scenario == "known":
        return EXACT
    if quantity == "ln_mass":
        if scenario == "apokasc":
            return CATALOGUE_MASS
        return AFTER if after else MASS
    if quantity == "ln_age":
        return AFTER if after else AGE
    return OTHERS_AFTER if after else OTHERS


def figures_of(sample: Sample, ranked: bool) -> dict[str, dict]:
    """Measure every quantity of a sample: plain numbers by name.

    `ranked` adds the tests of ranks of the first 1,000 stars.
    """
    pit, found = sample.pit(), {}
    for i, name in enumerate(sample.names.tolist()):
        off, sd = sample.off[:, i], sample.whole_sd[:, i]
        known = np.isfinite(pit[:, i])
        inside, n = pit[known, i], int(known.sum())
        if not n:
            found[name] = NOTHING
            continue
        out = {
            "n": n,
            "without": 1 - n / len(pit),
            "coverage": coverage(inside, LEVELS).tolist(),
            "coverage_error": binomial_error(LEVELS, n).tolist(),
            "z": z_width(off, sd),
            "bias_sd": float(np.nanmean(off / sd)),
            "rms": float(np.sqrt(np.nanmean(off**2))),
            "beyond_five": beyond(off, sd),
            "ks": ks_distance(inside),
            "crps": float(np.nanmean(crps(sample.draws[..., i], sample.truth[:, i]))),
            "bins": _bins(sample, pit[:, i]),
        }
        if ranked:
            some = np.flatnonzero(known)[:SBC_STARS]
            rank = ranks(sample.truth[some, i : i + 1], sample.draws[:, some, i : i + 1])
            test = judge_ranks(rank)
            out["rank_p"], out["ecdf"] = float(test.p_value[0]), float(test.ecdf_excess[0])
        found[name] = out
    return found


def _bins(sample: Sample, pit: np.ndarray) -> dict[str, dict]:
    out = {}
    for name, values in sample.observed().items():
        found = binned_coverage(pit, values, BINS)
        out[name] = {
            "middle": found.middle.tolist(),
            "n": found.count.tolist(),
            "held68": found.coverage[:, SIXTY_EIGHT].tolist(),
        }
    return out


def pit_recalibrated(sample: Sample) -> dict[str, list[float]]:
    """Coverage of every quantity with the PIT mapped by the other half's map."""
    pit, out = sample.pit(), {}
    for i, name in enumerate(sample.names.tolist()):
        mapped = np.full(len(pit), np.nan)
        for half in (0, 1):
            judged, fit = sample.half == half, pit[sample.half != half, i]
            if np.isfinite(fit).any():
                mapped[judged] = recalibrate_pit(pit[judged, i], fit_pit_map(fit))
        known = np.isfinite(mapped)
        out[name] = (coverage(mapped[known], LEVELS) if known.any() else NO_COVERAGE).tolist()
    return out


def worst_bin(figures: dict, least: int = 0) -> tuple[str, float, float, int] | None:
    """Largest miss at 68 %: what is binned, where, share held, stars; None without such a bin."""
    rows = [
        (name, middle, held, n)
        for name, bins in figures["bins"].items()
        for middle, held, n in zip(bins["middle"], bins["held68"], bins["n"], strict=True)
        if n >= max(least, 1)
    ]
    return max(rows, key=lambda row: abs(row[2] - LEVELS[SIXTY_EIGHT]), default=None)


def misses(figures: dict, limits: Limits, n_quantity: int = 1) -> list[str]:
    """Say in words what breaks; empty where all demands are met.

    `n_quantity` p-values are looked at together (Bonferroni).
    """
    if not figures["n"]:
        return ["no star has a posterior"]
    out = []
    chance = CHANCE * binomial_error(LEVELS, figures["n"])
    allowed = np.maximum(limits.coverage, chance) if limits.coverage else ()
    for level, held, most in zip(LEVELS, figures["coverage"], allowed, strict=False):
        if abs(held - level) > most:
            word = "too narrow" if held < level else "too wide"
            out.append(
                f"the {100 * level:.0f} % interval holds {100 * held:.1f} % ({word}; "
                f"demand {100 * (level - most):.1f} to {100 * (level + most):.1f})"
            )
    if limits.z is not None and not limits.z[0] <= figures["z"] <= limits.z[1]:
        low, high = limits.z
        out.append(f"z-width {figures['z']:.3f} (demand {low:.2f} to {high:.2f})")
    for key, word in (("ks", "KS distance"), ("beyond_five", "share beyond 5 sd"), ("rms", "rms")):
        limit = getattr(limits, key)
        if limit is not None and figures[key] >= limit:
            out.append(f"{word} {figures[key]:.3f} (demand below {limit:.3f})")
    if limits.uniform:
        p = min(1.0, n_quantity * figures["rank_p"])
        if p <= 0.01:
            out.append(f"ranks are not uniform: p {p:.4f} after Bonferroni (demand above 0.01)")
        if figures["ecdf"] >= 1:
            out.append(f"ECDF leaves its 99 % band ({figures['ecdf']:.2f} of it)")
    if limits.in_bins is not None:
        worst = worst_bin(figures, BIN_STARS)
        if worst is not None and abs(worst[2] - LEVELS[SIXTY_EIGHT]) > limits.in_bins:
            out.append(
                f"at {worst[0]} {worst[1]:.3g} the 68 % interval holds {100 * worst[2]:.1f} % "
                f"(demand within {100 * limits.in_bins:.1f} points)"
            )
    return out


def scores_of(sample: Sample, baselines: dict[str, np.ndarray]) -> dict[str, dict]:
    """CRPS and log score of ln mass beside every baseline's (2, star): mean and sd."""
    i = sample.names.tolist().index("ln_mass")
    truth, error = sample.truth[:, i], sample.mixed_error
    ours = {
        "crps": crps(convolve(sample.draws, error)[..., i], truth),
        "log": log_score(sample.draws[..., i], truth, error[..., i]),
    }
    out: dict[str, dict] = {"ours": {k: float(np.nanmean(v)) for k, v in ours.items()}}
    for name, (mean, sd) in baselines.items():
        theirs = {
            "crps": crps_normal(mean, sd, truth),
            "log": log_score_normal(mean, sd, truth),
        }
        out[name] = {}
        for kind, score in theirs.items():
            gain = compare(ours[kind], score)
            out[name][kind] = {
                "theirs": float(np.nanmean(score)),
                "gain": gain.mean,
                "error": gain.error,
                "in_errors": gain.in_errors,
            }
    return out


def beaten(scores: dict) -> dict[str, bool]:
    """Whether both scores beat each baseline by more than three standard errors."""
    return {
        name: all(kind["in_errors"] > ENOUGH_ERRORS for kind in found.values())
        for name, found in scores.items()
        if name != "ours"
    }


def warnings_of(sample: Sample) -> dict:
    """How well flags and fit numbers tell which stars are bad.

    A star is bad where any quantity is off by more than 3 sd, or has no posterior.
    """
    z = np.abs(sample.off / sample.whole_sd)
    bad = ~(z.max(axis=1) <= BAD_STAR)
    flagged = sample.flags != 0
    deciles = {}
    for name, values in (("chi2", sample.chi2_red), ("distance", sample.distance)):
        good = np.flatnonzero(np.isfinite(values))
        groups = np.array_split(good[np.argsort(values[good])], 10)
        deciles[name] = {
            "middle": [float(np.median(values[g])) for g in groups],
            "bad": [float(bad[g].mean()) for g in groups],
            "flagged": [float(flagged[g].mean()) for g in groups],
        }
    return {
        "bad": float(bad.mean()),
        "bad_flagged": float(flagged[bad].mean()) if bad.any() else float("nan"),
        "good_flagged": float(flagged[~bad].mean()),
        "deciles": deciles,
    }
