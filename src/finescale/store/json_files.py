"""Small JSON files of artifacts: result.json, stats.json and the like."""

import json
from pathlib import Path
from typing import Any


def write_json(path: Path, content: object) -> None:
    """Write strict JSON: a number that is not finite is an error here, not in the reader."""
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))
