"""Train the shipped models: on the semi-synthetic `apokasc` set, and on real abundances.

python scripts/build_models.py [NAME ...]
"""

import sys
from dataclasses import replace
from pathlib import Path

from astropy.table import Table

import bayescannon as bc
from bayescannon.model.fit import train_by_state
from bayescannon.model.store import with_certificate
from bayescannon.simulate import with_published_ages
from bayescannon.spectra.abundances import real_giants

MODELS = Path(__file__).resolve().parents[1] / "models"

CARD = """# {name}

Teff, log g, [Fe/H], [alpha/Fe] and {what} of red giants from APOGEE-like spectra (7214 pixels).

**Trained on SEMI-SYNTHETIC spectra** of {stars} real Kepler giants: real labels and {source},
fluxes made from the real four-label model with carbon, nitrogen and hidden elements added
(`bayescannon.make_apokasc(seed=0)`; constants in `bayescannon/simulate/stars.py`). No set of real
spectra with seismic masses could be had. **Do not use it on real spectra**: train the same recipe
on them.

**How.** Joint training: training labels have errors, {factors} residual factors, shrunk
coefficients; {what} acts only through the factors (`docs/explanation/training.md`). Errors of the
training labels, in units of what was stated: {scale}.{missing}{states}

**For** the demo, tests, and as an example of a model folder.

**Limits.** The simulated spectra are of the model's own family. `bayescannon bench train` judges
the same recipe on stars of known truth; `docs/results/training.md` has the figures. The uncertainty
of the coefficients is left out of the folder: `scripts/build_models.py` makes it again.
"""

WHAT = {
    "apokasc-mass": ("ln mass", "real seismic masses"),
    "apokasc-age": ("ln age", "their published ages (APOKASC-2, from corrected seismic masses)"),
}


ABUNDANCES_CARD = """# {name}

Teff, log g, [M/H], [alpha/M] and ln mass of red giants from six numbers of a survey's catalogue:
Teff, log g, [M/H], [alpha/M], [C/M], [N/M]. Two models, red giant branch and red clump, mixed by
a P(rc) learned from the same six numbers.

**Trained on REAL data**: {stars} Kepler giants with APOGEE abundances; masses: {source}.
Quoted mass errors were found to be off by f = {f}.

**For** giants of allStar tables on the same zero points: `bayescannon catalog --table`.

**Limits.** Posteriors of Teff, log g, [M/H], [alpha/M] repeat the catalogue's own values: their
errors are not physical ones. Masses inherit the scale of the training masses. Outside the
training range (Teff 4034 to 5185 K, log g 1.35 to 3.29, [M/H] -0.85 to 0.24) stars are
flagged, not believed.
"""

ABUNDANCES = {
    "apokasc-abundances": ("mass_apokasc2", "APOKASC-2, corrected relations"),
    "apokasc-abundances-scaling": ("mass", "plain scaling relations"),
}


def build_abundances(name: str, mass: str, source: str) -> None:
    spectra, labels, state = real_giants(mass)
    models = train_by_state(spectra, labels, state, bc.Recipe.load(MODELS / name / "recipe.toml"))
    members = {}
    f = ", ".join(
        f"{s.upper()} {(getattr(models, s).report or {})['error_scale']['ln_mass']:.2f}"
        for s in ("rgb", "rc")
    )
    card = ABUNDANCES_CARD.format(name=name, stars=len(spectra), source=source, f=f)
    for s in ("rgb", "rc"):
        model = getattr(models, s)
        report = {k: v for k, v in (model.report or {}).items() if k != "seconds"}
        members[s] = replace(model, card=with_certificate(card, None), report=report)
    replace(models, **members).save(MODELS / name, overwrite=True)
    print(f"{name}: {models.id}, f {f}")


def build(name: str, simulated, labels: Table) -> None:
    model = bc.train(simulated.spectra, labels, bc.Recipe.load(MODELS / name / "recipe.toml"))
    report = {k: v for k, v in (model.report or {}).items() if k != "seconds"}
    what, source = WHAT[name]
    lacking = report["missing_labels"][model.labels[-1]]
    words = {
        "scale": ", ".join(f"{k} {v:.2f}" for k, v in report["error_scale"].items()),
        "missing": f" {lacking} stars have no {what} and help with the rest." if lacking else "",
        "states": _states(report, what),
        "factors": report["factors"],
        "stars": report["stars"],
    }
    card = CARD.format(name=name, what=what, source=source, **words)
    model = replace(model, card=card, report=report, uncertainty=None)
    model = bc.certify(model, simulated.spectra, labels)
    model.save(MODELS / name, overwrite=True)
    print(f"{name}: model {model.id}, {report}, {model.certificate}")


def _states(report: dict, what: str) -> str:
    """Say what a model found in each state."""
    found = report["relation"]
    scatter = " and ".join(f"{part['scatter']:.3f} ({state})" for state, part in found.items())
    return (
        f"\n\n**States.** {what} has a relation to labels and factors for each state; its true\n"
        f"scatter about spectra is {scatter}. Posteriors come with P(rc)."
    )


if __name__ == "__main__":
    wanted = sys.argv[1:] or [*ABUNDANCES, *WHAT]
    for name in (name for name in ABUNDANCES if name in wanted):
        build_abundances(name, *ABUNDANCES[name])
    if spectral := [name for name in WHAT if name in wanted]:
        simulated = bc.make_apokasc(seed=0)
        table = with_published_ages(simulated.labels)
        for name in spectral:
            build(name, simulated, table)
