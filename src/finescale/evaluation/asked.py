"""The stored model that a job asks, in the state that its training left it in."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finescale.store import Artifact, Job

if TYPE_CHECKING:
    import torch

    from finescale.models import TunedModel


@dataclass(frozen=True)
class AskedModel:
    """A finetuned model and its base model; without finetuning (None) the base model itself."""

    tuned: Artifact | None
    base: Artifact

    @classmethod
    def of(cls, job: Job) -> "AskedModel":
        """The input `model` of a job, a finetuning, or else its input `base`."""
        if "model" not in job.recipe.inputs:
            return cls(None, job.input("base"))
        tuned = job.input("model")
        (base,) = tuned.recipe.inputs["base"]
        return cls(tuned, job.store.open(base))

    @property
    def status(self) -> str:
        """`ok`, `diverged` or `base diverged`."""
        if self.tuned:
            return self.tuned.json("result.json")["status"]
        return "ok" if self.base.json("result.json")["status"] == "ok" else "base diverged"

    @property
    def context(self) -> int | None:
        """Ids of a prompt with demonstrations and its output: as many as in pretraining."""
        return self.base.recipe.parameters.get("context", self.limit)

    @property
    def limit(self) -> int | None:
        """Ids that a base model made elsewhere can read beside a tuned prompt; None: no limit."""
        context = self.base.json("result.json").get("context")
        settings = self.tuned.recipe.parameters if self.tuned else {}
        prompt = settings["pet_parameter_size"] if settings.get("method") == "prompt" else 0
        return None if context is None else context - prompt

    def load(self, device: "torch.device") -> "TunedModel":
        """The model on a device, its files checked; one core where that is the CPU."""
        import torch

        from finescale.models import load_tuned

        torch.set_num_threads(1)
        method = self.tuned.recipe.parameters["method"] if self.tuned else "fmt"
        if self.tuned is None or method == "fmt":
            model = load_tuned("fmt", _weights(self.tuned or self.base, "model"), self.base.folder)
        else:
            adapter, base = _weights(self.tuned, "adapter"), _weights(self.base, "model")
            model = load_tuned(method, adapter, base)
        return model.to(device)


def _weights(artifact: Artifact, folder: str) -> Path:
    """A folder of an artifact, its files checked."""
    for entry in artifact.manifest["files"]:
        if entry["name"].startswith(f"{folder}/"):
            artifact.file(entry["name"])
    return artifact.folder / folder
