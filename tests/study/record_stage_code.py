"""Record the code that each stage's version stands for.

    python tests/study/record_stage_code.py                          a stage's version was raised
    python tests/study/record_stage_code.py --same-results "reason"  code changed, results do not

A stage's code is its program in workflow/scripts and all of finescale that the program imports,
directly or not, without docstrings, comments, layout and the types of arguments, and the templates
beside it. The rooms `store` and `errors` are left out: they carry results, they do not decide them.
"""

import argparse
import ast
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finescale.study.stages import STAGES

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("stage_code.json")
LEFT_OUT = ("finescale.store", "finescale.errors")
# What Python's versions spell differently, and what has no effect when the code runs.
FIELDS_LEFT_OUT = {"kind", "type_comment", "returns", "annotation"}


class Code:
    """The code below a repository's root."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root

    def files(self, stage: str) -> list[Path]:
        """The stage's program, every module of finescale that it imports, and their templates."""
        program = self.root / "workflow" / "scripts" / f"{stage}.py"
        found, waiting = {program}, [program]
        while waiting:
            new = set(self._imported(waiting.pop())) - found
            found |= new
            waiting += new
        templates = {path for file in found for path in file.parent.glob("templates/*")}
        return sorted(found | templates)

    def sha256(self, stage: str) -> str:
        meanings = [
            [file.relative_to(self.root).as_posix(), content(file)] for file in self.files(stage)
        ]
        return hashlib.sha256(json.dumps(meanings).encode()).hexdigest()

    def _imported(self, file: Path) -> Iterator[Path]:
        for module, name in imports(parse(file)):
            if not module.startswith(LEFT_OUT):
                yield self._defining(module, name)

    def _defining(self, module: str, name: str | None) -> Path:
        """The file that defines a name, which a package may only pass on."""
        own = self._file(f"{module}.{name}")
        if own:
            return own
        file = self._file(module)
        if file is None:
            raise FileNotFoundError(f"no module {module} below {self.root}")
        if file.name == "__init__.py":
            for origin, passed_on in imports(parse(file)):
                if passed_on == name:
                    return self._defining(origin, name)
        return file

    def _file(self, module: str) -> Path | None:
        path = self.root / "src" / Path(*module.split("."))
        candidates = (path.with_name(f"{path.name}.py"), path / "__init__.py")
        return next((file for file in candidates if file.is_file()), None)


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def content(file: Path) -> Any:
    """What a file means: code without its layout, anything else as it is."""
    is_code = file.suffix == ".py"
    return meaning(parse(file)) if is_code else file.read_text(encoding="utf-8")


def imports(tree: ast.Module) -> Iterator[tuple[str, str | None]]:
    """Module and name of everything imported from finescale, inside of functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("finescale"):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            names = (alias.name for alias in node.names)
            yield from ((name, None) for name in names if name.startswith("finescale"))


def meaning(node: Any) -> Any:
    """A syntax tree as lists, without what has no effect; the same in all versions of Python."""
    if isinstance(node, list):
        return [meaning(item) for item in node if not is_docstring(item)]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [
        [name, meaning(value)]
        for name, value in ast.iter_fields(node)
        if name not in FIELDS_LEFT_OUT and value is not None and value != []
    ]
    return [type(node).__name__, fields]


def is_docstring(node: Any) -> bool:
    """Whether a statement is nothing but a text."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def read_record() -> dict[str, list[dict[str, Any]]]:
    """The history of each stage, latest entry last: version, SHA-256 of its code, note."""
    return json.loads(RECORD.read_text()) if RECORD.exists() else {}


def changes(record: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Each stage whose code or version is not the recorded one, and what has to be done."""
    return {
        stage: todo
        for stage in STAGES
        if (todo := change(stage, STAGES[stage], Code().sha256(stage), record.get(stage)))
    }


def change(
    stage: str, version: int, sha256: str, history: list[dict[str, Any]] | None
) -> str | None:
    """What has to be done about one stage; None when its record agrees."""
    command = f"python {Path(__file__).relative_to(ROOT)}"
    if not history:
        return f"stage {stage} has no record yet: run `{command}`"
    last = history[-1]
    if version < last["version"]:
        return f"stage {stage} went back from version {last['version']} to {version}: raise it"
    if version > last["version"]:
        return f"version {version} of stage {stage} is not recorded yet: run `{command}`"
    if sha256 != last["code_sha256"]:
        return (
            f"the code of stage {stage} changed, its version did not. Do results change? "
            f"Raise the version in src/finescale/study/stages.py, then run `{command}`. "
            f'Do they stay the same? Run `{command} --same-results "why they do"`'
        )
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--same-results", metavar="REASON", help="why no result changes")
    reason = parser.parse_args().same_results
    record = read_record()
    for stage, todo in changes(record).items():
        history, version = record.setdefault(stage, []), STAGES[stage]
        latest = history[-1]["version"] if history else 0
        if version < latest or (version == latest and not reason):
            sys.exit(todo)
        note = f"version {version}" if version > latest else reason
        history.append({"version": version, "code_sha256": Code().sha256(stage), "note": note})
        print(f"recorded: {stage}, version {version}, {note}")
    in_order = {stage: record[stage] for stage in STAGES}
    RECORD.write_text(json.dumps(in_order, indent=1) + "\n")


if __name__ == "__main__":
    main()
