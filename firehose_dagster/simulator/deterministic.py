"""Randomness without state: the same arguments give the same number, in every process and on every machine."""

from functools import lru_cache
from hashlib import blake2b


@lru_cache(maxsize=65_536)
def hash64(seed: int, *parts: str | int) -> int:
    """64 well-mixed bits."""
    text = "\x1f".join((str(seed), *map(str, parts)))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def unit(seed: int, *parts: str | int) -> float:
    """A number in [0, 1)."""
    return (hash64(seed, *parts) >> 11) / (1 << 53)


def smooth_noise(seed: int, name: str, position: float) -> float:
    """A smooth function of `position` with values in [-1, 1] and a random value at each whole number.

    Additions and products only: they round the same everywhere, unlike the functions of a C library.
    """
    cell = int(position // 1)
    fraction = position - cell
    left, right = unit(seed, name, cell), unit(seed, name, cell + 1)
    eased = fraction * fraction * (3.0 - 2.0 * fraction)
    return 2.0 * (left + (right - left) * eased) - 1.0
