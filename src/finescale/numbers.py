"""Measured numbers and their intervals, as people read them."""

import math


def format_number(value: float | None) -> str:
    """Two significant digits, as the paper prints them; a dash for no number."""
    if value is None:
        return "–"
    rounded = float(f"{value:.2g}")
    if 100 <= abs(rounded) < 1e5:
        return f"{rounded:.0f}"
    return f"{rounded:#.2g}".rstrip(".").replace("e+0", "e").replace("e+", "e")


def format_interval(value: float, bounds: tuple[float, float] | None) -> str:
    """`0.15 [0.12, 0.19]`: all to the second digit of the width; a smaller value may have a third.

    Numbers too large or too small for that have two digits each; bounds may be infinite.
    """
    if bounds is None:
        return format_number(value)
    low, high = bounds
    decimals, of_width = _decimals(value) or 0, _decimals(high - low)
    if of_width is not None:
        decimals = max(of_width, min(decimals, of_width + 1))
    plain = max(abs(value), abs(low), abs(high)) < 1e4 and decimals <= 5
    # z: no minus before a zero
    shown = [f"{one:z.{decimals}f}" if plain else format_number(one) for one in (value, low, high)]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]"


def _decimals(number: float) -> int | None:
    """Places after the point that two significant digits need; None for zero and infinity."""
    if not number or not math.isfinite(number):
        return None
    return max(0, 1 - math.floor(math.log10(abs(number))))
