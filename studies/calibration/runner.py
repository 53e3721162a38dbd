"""All scenarios, one after the other; what is done is kept, and a later call resumes."""

import json
import time
from pathlib import Path

import numpy as np

from bayescannon.ages.states import clump_probability
from bayescannon.files import write_beside
from bayescannon.model import Model, train
from bayescannon.simulate import make_apokasc
from bayescannon.validation.crossval import cross_validate
from bayescannon.validation.recalibrate import LABELS
from studies.calibration.baselines import fold_baselines, mock_baselines, train_plain
from studies.calibration.sample import Sample
from studies.calibration.scenarios import (
    SCENARIOS,
    Setting,
    Size,
    make_training,
    recipe,
    run_known,
    run_trained,
    thinned,
)

KNOWN, FOLDS = "known", "apokasc"
NAMES = (KNOWN, "quadratic", FOLDS, *[name for name in SCENARIOS if name != "quadratic"])


def run_part(folder: Path, scenario: str, size: Size, seed: int) -> Path:
    """Make the samples of a scenario with one seed, unless they are there already.

    Returns
    -------
    Path
        A folder with `labels.npz`, `ages.npz` (not for `apokasc`), `baselines.npz` (not for
        `known`), and `about.json`.
    """
    done = part_folder(folder, scenario, size, seed)
    if (done / "about.json").is_file():
        return done
    kept = folder / "kept" / _tag(size)
    begin = time.perf_counter()
    about: dict = {"scenario": scenario, "seed": seed, "size": size._asdict()}
    with write_beside(done) as beside:
        beside.mkdir(parents=True)
        if scenario == KNOWN:
            samples = run_known(size, seed)
        elif scenario == FOLDS:
            samples, baselines = _folds(size, seed, kept, about)
        else:
            samples, baselines = _trained(SCENARIOS[scenario], size, seed, kept, about)
        for name, sample in samples.items():
            sample.save(beside / f"{name}.npz")
        if scenario != KNOWN:
            stacked = {name: np.stack(forecast) for name, forecast in baselines.items()}
            np.savez(beside / "baselines.npz", allow_pickle=False, **stacked)
        about["seconds"] = time.perf_counter() - begin
        text = json.dumps(about, indent=1)
        (beside / "about.json").write_text(text + "\n", encoding="utf-8")
    return done


def part_folder(folder: Path, scenario: str, size: Size, seed: int) -> Path:
    """Where the samples of a scenario and seed belong: another size is another folder."""
    return folder / f"{scenario}-{seed}-{_tag(size)}"


def _tag(size: Size) -> str:
    return "-".join(str(n) for n in size)


def _trained(setting: Setting, size: Size, seed: int, kept: Path, about: dict):
    training = make_training(setting, size, seed)
    # two scenarios may share a training set; none trains on ages
    of = setting.training
    name = f"{of.curved}-{of.quoted}-{of.preference}-{seed}"
    folder = kept / f"model-{name}"
    if not (folder / "recipe.toml").is_file():
        train(training.spectra, training.labels, recipe()).save(folder)
    model = Model.load(folder)
    plain, plain_rms = train_plain(training, seed, kept / f"plain-{name}")
    about["error_scale"] = (model.report or {})["error_scale"]
    found = run_trained(model, plain, setting, size, seed)
    baselines = mock_baselines(training, found.inputs, found.plain, plain_rms, seed)
    return found.samples, baselines


def _folds(size: Size, seed: int, kept: Path, about: dict):
    simulated = thinned(make_apokasc(seed), size.stride)
    found = cross_validate(
        simulated.spectra,
        simulated.labels,
        recipe(),
        size.folds,
        seed,
        simulated.truth,
        folder=kept / f"folds-{seed}",
    )
    baselines = fold_baselines(simulated, found, kept / f"plain-folds-{seed}", seed)
    snr = np.asarray(simulated.truth["snr"])
    about["mass_error_scale"] = float(
        np.median(found.error[:, -1] / np.asarray(simulated.labels["ln_mass_err"]))
    )
    sample = Sample(
        names=np.array(LABELS),
        truth=found.truth,
        error=found.error,
        degrees=found.degrees,
        mean=found.mean,
        sd=found.sd,
        draws=np.swapaxes(found.draws, 0, 1),
        labels=found.mean,
        snr=snr,
        p_rc=clump_probability(found.mean),
        chi2_red=found.chi2_red,
        distance=found.distance,
        flags=found.flags.astype(int),
        half=found.fold % 2,
    )
    return {"labels": sample}, baselines
