"""Semi-synthetic sets with the parts of real data that are at hand."""

from bayescannon.simulate.stars import (
    Scenario,
    Simulation,
    make_apokasc,
    make_mock,
    with_published_ages,
)

__all__ = [
    "Scenario",
    "Simulation",
    "make_apokasc",
    "make_mock",
    "with_published_ages",
]
