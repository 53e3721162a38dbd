"""Are posteriors calibrated? Ranks, intervals, scores, baselines, recalibration; arrays only."""

from bayescannon.calibration.baselines import Formula, fit_formula
from bayescannon.calibration.certificate import NO_CERTIFICATE, Certificate, Held, hold
from bayescannon.calibration.intervals import (
    LEVELS,
    Bins,
    beyond,
    binned_coverage,
    binomial_error,
    convolve,
    coverage,
    equal_bins,
    mixed_errors,
    z_width,
)
from bayescannon.calibration.point import Judged, judge
from bayescannon.calibration.ranks import (
    RankTest,
    ecdf_band,
    judge_ranks,
    ks_distance,
    pit_of_draws,
    ranks,
    thin,
)
from bayescannon.calibration.recalibrate import (
    Inflation,
    fit_inflation,
    fit_pit_map,
    inflate,
    inflation_design,
    normal_scores,
    recalibrate_pit,
)
from bayescannon.calibration.scores import (
    Gain,
    compare,
    crps,
    crps_normal,
    log_score,
    log_score_normal,
)

__all__ = [
    "LEVELS",
    "NO_CERTIFICATE",
    "Bins",
    "Certificate",
    "Formula",
    "Gain",
    "Held",
    "Inflation",
    "Judged",
    "RankTest",
    "beyond",
    "binned_coverage",
    "binomial_error",
    "compare",
    "convolve",
    "coverage",
    "crps",
    "crps_normal",
    "ecdf_band",
    "equal_bins",
    "fit_formula",
    "fit_inflation",
    "fit_pit_map",
    "hold",
    "inflate",
    "inflation_design",
    "judge",
    "judge_ranks",
    "ks_distance",
    "log_score",
    "log_score_normal",
    "mixed_errors",
    "normal_scores",
    "pit_of_draws",
    "ranks",
    "recalibrate_pit",
    "thin",
    "z_width",
]
