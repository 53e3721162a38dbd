"""Train the shipped model `models/apokasc-mass` on the semi-synthetic `apokasc` set.

python scripts/build_models.py
"""

from dataclasses import replace
from pathlib import Path

import bayescannon as bc

FOLDER = Path(__file__).resolve().parents[1] / "models" / "apokasc-mass"

CARD = """# apokasc-mass

Teff, log g, [Fe/H], [alpha/Fe] and ln mass of red giants from APOGEE-like spectra (7214 pixels).

**Trained on SEMI-SYNTHETIC spectra** of {stars} real Kepler giants: real labels and real seismic
masses, fluxes made from the real four-label model with carbon, nitrogen and hidden elements added
(`bayescannon.make_apokasc(seed=0)`; constants in `bayescannon/simulate/made.py`). No set of real
spectra with seismic masses could be had. **Do not use it on real spectra**: train the same recipe
on them.

**For** the demo, tests, and as an example of a model folder.

**Limits.** Plain training: labels are taken as exact, there are no residual factors. The quoted
widths are formal errors, about six times too small for mass and three to four times for the other
labels (`bayescannon demo` measures them), as in the paper that this package rebuilds.
"""

if __name__ == "__main__":
    made = bc.make_apokasc(seed=0)
    model = bc.train(made.spectra, made.labels, bc.Recipe.load(FOLDER / "recipe.toml"))
    report = {k: v for k, v in (model.report or {}).items() if k != "seconds"}
    model = replace(model, card=CARD.format(**report), report=report)
    model.save(FOLDER)
    print(f"{FOLDER.name}: model {model.id}, {report}")
