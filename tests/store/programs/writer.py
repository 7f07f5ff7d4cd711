"""Publish the artifact of each recipe that comes on standard input, and say with what result.

`writer.py STORE lock` works as a job does; `writer.py STORE free` publishes without holding the
resume lock, as a second writer does that could not wait.
"""

import contextlib
import json
import sys

from finescale.store import Job, Recipe, Store, make_artifact, resume
from finescale.store.publishing import publish, scratch_folder

resume.POLL_SECONDS = 0.01


def make(job: Job) -> None:
    for name in ("data", "more"):
        (job.out / name).write_text(str(job.parameters) * 100)


def publish_without_lock(store: Store, recipe: Recipe) -> None:
    with scratch_folder(store, recipe) as scratch:
        make(Job(store, recipe, scratch, scratch))
        publish(store, recipe, scratch, [], {"label": ""})


def main() -> None:
    store, way = Store(sys.argv[1]), sys.argv[2]
    print("ready", flush=True)
    for line in sys.stdin:
        recipe = Recipe.from_dict(json.loads(line))
        with contextlib.redirect_stdout(sys.stderr):
            if way == "lock":
                make_artifact(store, recipe, make)
            else:
                publish_without_lock(store, recipe)
        print(store.open(recipe.reference).content_sha256, flush=True)


if __name__ == "__main__":
    main()
