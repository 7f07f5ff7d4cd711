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
    """`0.15 [0.12, 0.19]`: all to the second digit of the value or of the width, the finer one.

    Numbers too large or too small for that have two digits each; bounds may be infinite.
    """
    if bounds is None:
        return format_number(value)
    low, high = bounds
    scales = [abs(number) for number in (value, high - low) if number and math.isfinite(number)]
    decimals = max([0, *(1 - math.floor(math.log10(scale)) for scale in scales)])
    plain = max(abs(value), abs(low), abs(high)) < 1e4 and decimals <= 5
    # z: no minus before a zero
    shown = [f"{one:z.{decimals}f}" if plain else format_number(one) for one in (value, low, high)]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]"
