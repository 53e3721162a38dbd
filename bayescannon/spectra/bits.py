"""Names of the bits in APOGEE's pixel mask (SDSS bitmask APOGEE_PIXMASK)."""

from enum import IntFlag


class PixelBit(IntFlag):
    """Bits of HDU 3 of an apStar file."""

    BADPIX = 1 << 0
    CRPIX = 1 << 1
    SATPIX = 1 << 2
    UNFIXABLE = 1 << 3
    BADDARK = 1 << 4
    BADFLAT = 1 << 5
    BADERR = 1 << 6
    NOSKY = 1 << 7
    LITTROW_GHOST = 1 << 8
    PERSIST_HIGH = 1 << 9
    PERSIST_MED = 1 << 10
    PERSIST_LOW = 1 << 11
    SIG_SKYLINE = 1 << 12
    SIG_TELLURIC = 1 << 13
    NOT_ENOUGH_PSF = 1 << 14


BAD_PIXEL = int(
    PixelBit.BADPIX
    | PixelBit.CRPIX
    | PixelBit.SATPIX
    | PixelBit.UNFIXABLE
    | PixelBit.BADDARK
    | PixelBit.BADFLAT
    | PixelBit.BADERR
    | PixelBit.NOSKY
    | PixelBit.SIG_SKYLINE
)
"""Unusable pixels: broken ones, and strong sky lines, whose quoted errors are not right."""
