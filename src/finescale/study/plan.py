"""The plan: every recipe of a study, from raw files to figures.

A pure function of the config and of the SHA-256 of the raw files. It reads no artifact and writes
nothing, so that Snakemake can compute it whenever it parses the Snakefile.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from finescale.store.recipes import PATH_DIGITS, Recipe
from finescale.study.stages import STAGES


@dataclass(frozen=True)
class View:
    """A path in `results/<study>/` that shows a file of an artifact."""

    path: str
    reference: str
    file: str


@dataclass
class Plan:
    """Recipes by reference (`<stage>/<digest>`), their readable labels, and the study's views.

    `after` names artifacts that must be made before another without being its input: a checkpoint
    of the same training trajectory, from which the job goes on. `unsupported` says, for each figure
    and table that the study's grid does not support, what is missing. `sizes` are the names of the
    model sizes of base models.
    """

    study: str
    recipes: dict[str, Recipe] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    views: list[View] = field(default_factory=list)
    unsupported: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        stage: str,
        label: str,
        parameters: Mapping[str, Any],
        inputs: Mapping[str, Iterable[str]],
    ) -> str:
        """Plan one artifact and return its reference; the same recipe twice is one artifact."""
        roles = {role: tuple(references) for role, references in inputs.items()}
        recipe = Recipe(stage, STAGES[stage], parameters, roles)
        reference = recipe.reference
        self.recipes.setdefault(reference, recipe)
        self.labels.setdefault(reference, label)
        return reference

    def needed(self, reference: str) -> list[str]:
        """What must be complete before an artifact is made: its inputs, a checkpoint before it."""
        earlier = [self.after[reference]] if reference in self.after else []
        return [*self.recipes[reference].input_references(), *earlier]

    def by_path(self, stage: str, digest: str) -> Recipe:
        """The recipe of `results/store/<stage>/<digest>/`. KeyError when it is not planned."""
        return self._by_path[stage, digest]

    @property
    def _by_path(self) -> dict[tuple[str, str], Recipe]:
        if len(self.__dict__.setdefault("_index", {})) != len(self.recipes):
            self.__dict__["_index"] = {
                (recipe.stage, recipe.digest[:PATH_DIGITS]): recipe
                for recipe in self.recipes.values()
            }
        return self.__dict__["_index"]

    def index_rows(self) -> list[tuple[str, str, str]]:
        """Digest, stage and label of every artifact, in the order of planning."""
        return [
            (recipe.digest, recipe.stage, self.labels[reference])
            for reference, recipe in self.recipes.items()
        ]
