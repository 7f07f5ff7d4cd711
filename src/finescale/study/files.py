"""Studies as files in a checkout: which YAML files are studies, and the plan of one."""

from pathlib import Path
from typing import Any

import yaml

from finescale.errors import UserError
from finescale.study.build import plan_study
from finescale.study.plan import Plan

CONFIG = Path("config")
SOURCES = CONFIG / "sources.yaml"
SCHEMA = Path("workflow/schemas/config.schema.yaml")


def plan_file(path: Path, root: Path = Path()) -> Plan:
    """The plan of one config file, in the checkout at `root`. UserError for mistakes in it."""
    _check(root)
    return plan_study(_read_yaml(path), root / SCHEMA, root / SOURCES, str(path))


def studies(root: Path = Path()) -> list[Path]:
    """The files of `config/` that are studies: those with a key that every study has.

    One such key is enough, so that a study with a mistake in it still counts as one.
    """
    _check(root)
    required = set(_read_yaml(root / SCHEMA)["required"])
    found = []
    for path in sorted((root / CONFIG).glob("*.yaml")):
        content = _read_yaml(path)
        if isinstance(content, dict) and required & content.keys():
            found.append(path)
    return found


def _check(root: Path) -> None:
    for needed in (root / SCHEMA, root / SOURCES):
        if not needed.is_file():
            raise UserError(f"{needed} is missing. Run from the repository's root.")


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
