"""Content-addressed artifacts: recipes, digests, publishing, opening, verifying.

Knows nothing of language models, and nothing of Snakemake.
"""

from finescale.store.artifacts import MANIFEST, Artifact, Store
from finescale.store.jobs import Job, make_artifact, run_job
from finescale.store.recipes import Recipe, canonical_json

__all__ = [
    "MANIFEST",
    "Artifact",
    "Job",
    "Recipe",
    "Store",
    "canonical_json",
    "make_artifact",
    "run_job",
]
