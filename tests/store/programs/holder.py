"""Hold a resume folder, once for each line on standard input, and say whether it was held alone.

`holder.py FOLDER STALE_AFTER_SECONDS`
"""

import contextlib
import os
import sys
import time
from pathlib import Path

from finescale.store import resume

resume.POLL_SECONDS = 0.3
resume.STALE_AFTER_SECONDS = float(sys.argv[2])


def hold_alone(folder: Path) -> bool:
    with resume.hold(folder):
        mark = folder / "inside"
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        time.sleep(0.002)
        mark.unlink()
    return True


def main() -> None:
    print("ready", flush=True)
    for _ in sys.stdin:
        with contextlib.redirect_stdout(sys.stderr):
            alone = hold_alone(Path(sys.argv[1]))
        print("alone" if alone else "not alone", flush=True)


if __name__ == "__main__":
    main()
