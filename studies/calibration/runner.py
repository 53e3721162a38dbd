"""All worlds, one after the other; what is done is kept, and a later call goes on from there."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bayescannon.ages.states import clump_probability
from bayescannon.files import write_beside
from bayescannon.model import Model, train
from bayescannon.simulate import make_apokasc
from bayescannon.validation.crossval import cross_validate
from bayescannon.validation.recalibrate import LABELS
from studies.calibration.baselines import fold_rivals, mock_rivals, train_plain
from studies.calibration.sample import Sample
from studies.calibration.scenarios import (
    WORLDS,
    Setting,
    Size,
    make_training,
    recipe,
    run_known,
    run_trained,
    thinned,
)

KNOWN, FOLDS = "known", "apokasc"
NAMES = (KNOWN, "quadratic", FOLDS, *[name for name in WORLDS if name != "quadratic"])
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def run_part(folder: Path, world: str, size: Size, seed: int, tell: Progress) -> Path:
    """Make the samples of a world with one seed, unless they are there already.

    Returns
    -------
    Path
        A folder with `labels.npz`, `ages.npz` (not for `apokasc`), `rivals.npz` (not for
        `known`), and `about.json`.
    """
    done = part_folder(folder, world, size, seed)
    if (done / "about.json").is_file():
        return done
    kept = folder / "kept" / _tag(size)
    begin = time.perf_counter()
    about: dict = {"world": world, "seed": seed, "size": size._asdict()}
    with write_beside(done) as beside:
        beside.mkdir(parents=True)
        if world == KNOWN:
            show = lambda n: tell("stars of the known model", n, size.known)  # noqa: E731
            samples = run_known(size, seed, show)
        elif world == FOLDS:
            samples, rivals = _folds(size, seed, kept, tell, about)
        else:
            samples, rivals = _trained(WORLDS[world], size, seed, kept, tell, about)
        for name, sample in samples.items():
            sample.save(beside / f"{name}.npz")
        if world != KNOWN:
            stacked = {name: np.stack(forecast) for name, forecast in rivals.items()}
            np.savez(beside / "rivals.npz", allow_pickle=False, **stacked)
        about["seconds"] = time.perf_counter() - begin
        text = json.dumps(about, indent=1)
        (beside / "about.json").write_text(text + "\n", encoding="utf-8")
    return done


def part_folder(folder: Path, world: str, size: Size, seed: int) -> Path:
    """Where the samples of a world and seed belong: another size is another folder."""
    return folder / f"{world}-{seed}-{_tag(size)}"


def _tag(size: Size) -> str:
    return "-".join(str(n) for n in size)


def _trained(setting: Setting, size: Size, seed: int, kept: Path, tell: Progress, about: dict):
    training = make_training(setting, size, seed)
    # two worlds may share a training set
    name = "-".join(str(x) for x in setting.training[:3]) + f"-{seed}"
    folder = kept / f"model-{name}"
    if not (folder / "recipe.toml").is_file():
        rounds = lambda r: tell(f"training, {r.factors} factors", 0, 1)  # noqa: E731
        train(training.spectra, training.labels, recipe(), report=rounds).save(folder)
    model = Model.load(folder)
    plain, plain_rms = train_plain(training, seed, kept / f"plain-{name}")
    about["error_scale"] = (model.report or {})["error_scale"]
    show = lambda n: tell("test stars", n, size.test)  # noqa: E731
    found = run_trained(model, plain, setting, size, seed, show)
    rivals = mock_rivals(training, found.inputs, found.plain, plain_rms, seed)
    return found.samples, rivals


def _folds(size: Size, seed: int, kept: Path, tell: Progress, about: dict):
    made = thinned(make_apokasc(seed), size.stride)
    known = (made.spectra, made.labels, recipe(), size.folds, seed, made.truth)
    found = cross_validate(*known, lambda k: tell("folds", k, size.folds), kept / f"folds-{seed}")
    rivals = fold_rivals(made, found, kept / f"plain-folds-{seed}", seed)
    snr = np.asarray(made.truth["snr"])
    about["mass_error_scale"] = float(
        np.median(found.error[:, -1] / np.asarray(made.labels["ln_mass_err"]))
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
    return {"labels": sample}, rivals
