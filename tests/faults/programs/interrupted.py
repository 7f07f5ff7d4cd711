"""Make one artifact again and again, each time struck by a signal one file operation later.

`interrupted.py STORE SIGNAL nothing|corrupted`: what lies at the artifact's place before. After
each strike the store may hold half-written folders and nothing worse, and the next run completes
it with the same bytes. Prints how many strikes there were.
"""

import contextlib
import os
import shutil
import sys
from pathlib import Path

from finescale.store import Job, Recipe, Store, make_artifact, resume
from finescale.store.lineage import verify

resume.POLL_SECONDS = 0.01
OPERATIONS = ("open", "os.", "shutil.", "tempfile.")
RECIPE = Recipe("toy", 1, {"text": "text"}, {})


def make(job: Job) -> None:
    (job.out / "model").mkdir()
    for path in (job.out / "model" / "weights", job.resume / "state", job.out / "result"):
        path.write_text(job.parameters["text"])


def strike(number: int, signal: int, root: str) -> None:
    """Send this process the signal just before its nth file operation below `root`."""
    left = number

    def count(event: str, arguments: tuple) -> None:
        nonlocal left
        paths = [str(item) for item in arguments if isinstance(item, str | Path)]
        if event.startswith(OPERATIONS) and any(path.startswith(root) for path in paths):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal)

    sys.addaudithook(count)


def make_struck(store: Store, number: int, signal: int) -> bool:
    """Make the artifact in a process of its own; whether it came to its end."""
    child = os.fork()
    if child == 0:
        status = 1
        strike(number, signal, str(store.root.parent))
        with contextlib.suppress(KeyboardInterrupt):
            make_artifact(store, RECIPE, make)
            status = 0
        os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def main() -> None:
    root, signal, before = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    store, number = Store(root), 0
    folder = store.folder(RECIPE.reference)
    make_artifact(store, RECIPE, make)
    content = store.open(RECIPE.reference).content_sha256
    done = False
    while not done:
        number += 1
        if before == "nothing":
            shutil.rmtree(folder)
        else:
            (folder / "result").write_text("corrupted")
        done = make_struck(store, number, signal)
        for problem in verify(store):
            assert "half-written" in problem or before == "corrupted", problem
        make_artifact(store, RECIPE, make)
        assert store.open(RECIPE.reference).content_sha256 == content
        assert list(verify(store)) == []
        assert not list(root.parent.glob("resume/*"))
    print("strikes:", number - 1)


if __name__ == "__main__":
    main()
