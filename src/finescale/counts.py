"""Counts of examples, tokens, parameters and bytes, as people write and read them."""

import math
import re

UNITS = {"K": 3, "M": 6, "B": 9, "G": 9, "T": 12}  # powers of ten


def parse_count(text: str) -> int:
    """A positive whole number: 50000, 8e9, 8B, 50k. ValueError says what is wrong with it."""
    if re.fullmatch(r"\d{1,3}([,.'\s]\d{3})+", text):
        whole = re.sub(r"\D", "", text)
        raise ValueError(f"is {text!r}; write it without separators: {whole}")
    unit = UNITS.get(text[-1:].upper())
    try:
        number = float(text if unit is None else f"{text[:-1].rstrip()}e{unit}")
    except ValueError:
        raise ValueError(f"is {text!r}, which is not a number") from None
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"is {text!r}, which is not a positive number")
    if number != int(number):
        raise ValueError(f"is {text!r}, which is not a whole number; give the count itself")
    return int(number)


def format_count(value: float) -> str:
    """A count: in full below 10,000 unless it is round, else three digits and a unit (97.3K)."""
    if value < 1e4 and value % 1000:
        return f"{value:.10g}"
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if value >= size * 0.9995:
            return f"{value / size:.3g}{unit}"
    return f"{value:.10g}"


def format_rough(value: float) -> str:
    """An estimated count, which nobody knows to more than two digits (240, 97K)."""
    return format_count(float(f"{value:.2g}"))


def format_bytes(value: float) -> str:
    """A size on disk, in three digits and a decimal unit: 1234567 -> 1.23 MB."""
    for size, unit in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= size * 0.9995:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f} bytes"
