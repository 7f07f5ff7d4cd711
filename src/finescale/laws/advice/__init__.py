"""Which method, how much data, which model: answers from one law for each method."""

from finescale.laws.advice.answer import Advice, CriticalSizes, advise

__all__ = ["Advice", "CriticalSizes", "advise"]
