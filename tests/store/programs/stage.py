"""A stage program like those in workflow/scripts: it writes the files that its recipe names.

Each file holds its text and the bytes of all inputs; a safetensors file is written as models are.
PAUSE_AFTER names a file after which the program says so and waits for a line on standard input.
"""

import os
import sys

from finescale.store import Job, run_job


def make(job: Job) -> None:
    if (job.resume / "state").exists():
        print("goes on from", (job.resume / "state").read_text())
    read = "".join(artifact.file("data").read_text() for artifact in job.opened)
    for name, text in job.parameters["files"].items():
        (job.out / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".safetensors"):
            import numpy as np
            from safetensors.numpy import save_file

            save_file({"text": np.frombuffer(text.encode(), np.uint8)}, job.out / name)
        else:
            (job.out / name).write_text(text + read)
        (job.resume / "state").write_text(name)
        if name == os.environ.get("PAUSE_AFTER"):
            print("paused", flush=True)
            sys.stdin.readline()
    print("made")


if __name__ == "__main__":
    run_job(make)
