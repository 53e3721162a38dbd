"""What a model of all stars knows of each evolutionary state beside."""

from typing import NamedTuple, cast

import numpy as np
from jaxtyping import Float

from bayescannon.labels import Mixture
from bayescannon.typing import Array

STATES = ("rgb", "rc")


class StateRelation(NamedTuple):
    """By what the stars of one state differ from all: see `train.result.Group`."""

    offset: Float[Array, "factor feature"]
    root: Float[Array, "factor factor"]
    label_covariance: Float[Array, "label label"]
    population: Mixture


class States(NamedTuple):
    """Both states' relations, and P(rc) where no relation has been looked at.

    `log_odds` is logistic on the quadratic of the scaled labels that spectra show themselves;
    `share_rc` the share of clump stars among the training stars of known state.
    """

    rgb: StateRelation
    rc: StateRelation
    log_odds: Float[Array, "feature"]
    share_rc: float

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it, by names that `of_arrays` knows."""
        out = {
            "state_log_odds": np.asarray(self.log_odds),
            "state_share_rc": np.array(self.share_rc),
        }
        for state in STATES:
            relation = getattr(self, state)
            parts = zip(relation._fields[:-1], relation[:-1], strict=True)
            out |= {f"{state}_{name}": np.asarray(value) for name, value in parts}
            out |= relation.population.arrays(f"{state}_population")
        return out

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> "States | None":
        """Read what `arrays` gave; None where there is nothing of it."""
        if "state_log_odds" not in arrays:
            return None
        relations = []
        for state in STATES:
            mixture = cast(Mixture, Mixture.of_arrays(arrays, f"{state}_population"))
            parts = (arrays[f"{state}_{name}"] for name in StateRelation._fields[:-1])
            relations.append(StateRelation(*parts, mixture))
        return cls(*relations, arrays["state_log_odds"], float(arrays["state_share_rc"]))
