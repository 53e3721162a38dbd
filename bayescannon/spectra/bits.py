"""APOGEE's bit masks by name, as sdss4.org documents them for DR17; older releases use a subset.

Bit 16 of the pixel mask and the bits from 32 on of `AspcapFlag` came with DR16 and DR17.
"""

from collections.abc import Iterable
from enum import IntFlag

import numpy as np

from bayescannon.errors import UserError
from bayescannon.recipe import BAD_BITS


def _mask(name: str, bits: dict[int, str]) -> type[IntFlag]:
    return IntFlag(name, {word: 1 << bit for bit, word in bits.items()}, module=__name__)


def _listed(start: int, names: str) -> dict[int, str]:
    return dict(enumerate(names.split(), start))


PixelBit = _mask(
    "PixelBit",
    _listed(
        0,
        "BADPIX CRPIX SATPIX UNFIXABLE BADDARK BADFLAT BADERR NOSKY LITTROW_GHOST PERSIST_HIGH "
        "PERSIST_MED PERSIST_LOW SIG_SKYLINE SIG_TELLURIC NOT_ENOUGH_PSF",
    )
    | {16: "FERRE_MASK"},
)
"""APOGEE_PIXMASK: bits of HDU 3 of an apStar file."""

StarFlag = _mask(
    "StarFlag",
    _listed(0, "BAD_PIXELS COMMISSIONING BRIGHT_NEIGHBOR VERY_BRIGHT_NEIGHBOR LOW_SNR")
    | _listed(9, "PERSIST_HIGH PERSIST_MED PERSIST_LOW PERSIST_JUMP_POS PERSIST_JUMP_NEG")
    | _listed(
        16,
        "SUSPECT_RV_COMBINATION SUSPECT_BROAD_LINES BAD_RV_COMBINATION RV_REJECT RV_SUSPECT "
        "MULTIPLE_SUSPECT RV_FAIL SUSPECT_ROTATION MTPFLUX_LT_75 MTPFLUX_LT_50",
    ),
)
"""APOGEE_STARFLAG: STARFLAG of a spectrum's header and of allStar."""

AspcapFlag = _mask(
    "AspcapFlag",
    _listed(
        0,
        "TEFF_WARN LOGG_WARN VMICRO_WARN M_H_WARN ALPHA_M_WARN C_M_WARN N_M_WARN STAR_WARN "
        "CHI2_WARN COLORTE_WARN ROTATION_WARN SN_WARN SPEC_HOLE_WARN ATMOS_HOLE_WARN VSINI_WARN",
    )
    | _listed(
        16,
        "TEFF_BAD LOGG_BAD VMICRO_BAD M_H_BAD ALPHA_M_BAD C_M_BAD N_M_BAD STAR_BAD CHI2_BAD "
        "COLORTE_BAD ROTATION_BAD SN_BAD SPEC_HOLE_BAD ATMOS_HOLE_BAD VSINI_BAD NO_ASPCAP_RESULT "
        "MISSING_APSTAR NO_GRID BAD_FRAC_LOWSNR BAD_FRAC_BADPIX FERRE_FAIL",
    )
    | _listed(40, "PROBLEM_TARGET MULTIPLE_SUSPECT"),
)
"""APOGEE_ASPCAPFLAG: ASPCAPFLAG of allStar."""


def bits(kind: type[IntFlag], names: Iterable[str], key: str = "bits") -> int:
    """Add up bits that are given by name.

    Parameters
    ----------
    kind : PixelBit, StarFlag or AspcapFlag
    names : iterable of str
    key : str
        Recipe key that holds the names, for the error.

    Raises
    ------
    UserError
        If a name is none of the mask's.
    """
    known = kind.__members__
    for name in names:
        if name not in known:
            raise UserError(f"key '{key}' names {name!r}, but the bits are: {', '.join(known)}")
    return int(np.bitwise_or.reduce([int(known[name]) for name in names] or [0]))


def names(kind: type[IntFlag], value: int) -> list[str]:
    """Name the bits that are set in `value`; bits that no release documents read `BIT_<n>`."""
    known = {int(flag): word for word, flag in kind.__members__.items()}
    # ASPCAPFLAG was a signed 32-bit number before DR17: bit 31 made it negative
    value = int(value) & 0xFFFFFFFF if value < 0 else int(value)
    set_bits = [bit for bit in range(value.bit_length()) if value >> bit & 1]
    return [known.get(1 << bit, f"BIT_{bit}") for bit in set_bits]


BAD_PIXEL = bits(PixelBit, BAD_BITS)
"""Unusable pixels where no recipe says otherwise."""
