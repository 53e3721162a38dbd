"""Places in the Galaxy from places in the sky."""

import re
from collections.abc import Iterable

import astropy.units as u
import numpy as np
from astropy.coordinates import Galactocentric, SkyCoord, galactocentric_frame_defaults

from bayescannon.errors import UserError

FRAME = "v4.0"
"""Astropy's set of parameters: the Sun is 8.122 kpc from the centre (GRAVITY Collaboration 2018)
and 20.8 pc above the plane (Bennett & Bovy 2019). Named, so that a later default changes nothing.
"""
_ID = re.compile(r"2M(\d\d)(\d\d)(\d{4})([+-])(\d\d)(\d\d)(\d{3})")


def coordinates_of_id(star_id: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Right ascension and declination (J2000) that 2MASS ids spell out.

    Parameters
    ----------
    star_id : iterable of str (star,)
        Such as `2M00000211+6327470`: 00h00m02.11s, +63d27m47.0s.

    Returns
    -------
    ra, dec : ndarray (star,)
        [deg], good to 0.15 and 0.1 arcsec.

    Raises
    ------
    UserError
        If an id is no 2MASS id; it is named.
    """
    found = []
    for name in star_id:
        match = _ID.fullmatch(str(name))
        if match is None:
            raise UserError(f"star {name!r}: no 2MASS id (2MHHMMSSss+DDMMSSs): give ra and dec")
        h, m, s, sign, degree, minute, second = match.groups()
        ra = 15 * (int(h) + int(m) / 60 + int(s) / 360_000)
        dec = int(degree) + int(minute) / 60 + int(second) / 36_000
        found.append((ra, -dec if sign == "-" else dec))
    ra, dec = np.array(found).reshape(-1, 2).T
    return ra, dec


def galactocentric(
    ra: np.ndarray, dec: np.ndarray, distance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cylindrical radius and height above the plane, by astropy's Galactocentric frame `v4.0`.

    Parameters
    ----------
    ra, dec : ndarray (star,)
        ICRS [deg].
    distance : ndarray (..., star)
        [kpc]; several per star (draws) come first.

    Returns
    -------
    radius, z : ndarray (..., star)
        [kpc].
    """
    with galactocentric_frame_defaults.set(FRAME):
        frame = Galactocentric()
    at_one = SkyCoord(ra * u.deg, dec * u.deg, distance=1 * u.kpc).transform_to(frame)
    sun = SkyCoord(0 * u.deg, 0 * u.deg, distance=0 * u.kpc).transform_to(frame)
    start = sun.cartesian.xyz.to_value(u.kpc)
    step = (at_one.cartesian.xyz.to_value(u.kpc).T - start).T
    # the frame is a shift and a turn: places along a line of sight lie on a straight line
    x, y, z = (start[i] + step[i] * distance for i in range(3))
    return np.hypot(x, y), z
