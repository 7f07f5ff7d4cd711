"""What a run still has to make, and the fewest edges that say in which order."""

from collections.abc import Callable
from functools import reduce
from operator import or_

from finescale.study.plan import Plan


class Outstanding:
    """The artifacts of a plan that are not complete, and what each of them waits for.

    Every edge takes Snakemake time, and in a large study others imply half of them. A set of
    artifacts is an integer with a bit for each, which takes a tenth of the room and of the time.
    """

    def __init__(self, plan: Plan, is_complete: Callable[[str], bool]) -> None:
        self._plan = plan
        self._is_complete = is_complete
        self._bits = {reference: bit for bit, reference in enumerate(plan.recipes)}
        self._known: dict[str, int] = {}

    def before(self, reference: str) -> list[str]:
        """What must be made before this artifact, less what another of these needs anyway."""
        missing = self._missing(reference)
        implied = reduce(or_, map(self._upstream, missing), 0)
        return [item for item in missing if not implied >> self._bits[item] & 1]

    def _missing(self, reference: str) -> list[str]:
        return [item for item in self._plan.needed(reference) if not self._is_complete(item)]

    def _upstream(self, reference: str) -> int:
        """The bits of everything missing that must be made before this one, at any remove."""
        if reference not in self._known:
            bits = 0
            for item in self._missing(reference):
                bits |= 1 << self._bits[item] | self._upstream(item)
            self._known[reference] = bits
        return self._known[reference]
