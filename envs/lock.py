"""Write the lock for pip and the conda environment from the pins in pyproject.toml.

pip resolves the direct dependencies anew, without looking at what is installed; both files then
state every package that it chose. Run it with the oldest Python that the project supports.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = ROOT / "pyproject.toml"
LOCK = ROOT / "envs" / "requirements.lock"
CONDA = ROOT / "envs" / "finescale.yaml"

# Packages that only the accelerator builds of torch ask for.
ACCELERATOR = re.compile(r"(nvidia|cuda|triton)(-|$)")

LOCK_HEADER = """\
# Every package of finescale, written by envs/lock.py from pyproject.toml: do not edit.
# It holds for torch's CPU build and its CUDA build alike: the packages that the CUDA build needs
# besides (nvidia-*, cuda-*, triton) are left out, and pip adds them where that build is installed.
# For the same reason there are no hashes: each build of one torch version has its own.
"""

CONDA_HEADER = """\
# For users of conda, written by envs/lock.py from pyproject.toml: do not edit.
#   conda env create -f envs/finescale.yaml
#   conda activate finescale
#   pip install --no-deps --no-build-isolation -e .
name: finescale
channels:
  - conda-forge
  - nodefaults
dependencies:
"""


def normalized(name: str) -> str:
    """Give the one spelling of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def direct_requirements() -> list[str]:
    """List what pyproject.toml pins, as `name==version`: to run, to develop and to build."""
    pyproject = tomllib.loads(PYPROJECT.read_text())
    project = pyproject["project"]
    extras = project["optional-dependencies"].values()
    return [
        *project["dependencies"],
        *(requirement for extra in extras for requirement in extra),
        *pyproject["build-system"]["requires"],
    ]


def python_version() -> str:
    """Read the oldest Python version that pyproject.toml allows."""
    required = tomllib.loads(PYPROJECT.read_text())["project"]["requires-python"]
    return required.removeprefix(">=")


def resolve(requirements: list[str]) -> dict[str, str]:
    """Let pip choose a version for each package that the requirements need; install nothing.

    Returns the versions by normalized name, without local labels such as torch's `+cpu`.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--dry-run", "--ignore-installed", "--quiet", "--report", str(report)]
        pip = [sys.executable, "-m", "pip", "install"]
        subprocess.run([*pip, *options, *requirements], check=True)
        chosen = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    versions = {normalized(item["name"]): item["version"].split("+")[0] for item in chosen}
    return {name: versions[name] for name in sorted(versions) if not ACCELERATOR.match(name)}


def lock_text(versions: dict[str, str]) -> str:
    """Render the lock that `pip install -r` reads."""
    return LOCK_HEADER + "".join(f"{name}=={version}\n" for name, version in versions.items())


def conda_text(versions: dict[str, str], python: str) -> str:
    """Render the conda environment: Python from conda, the same pins as the lock through pip."""
    packages = "".join(f"      - {name}=={version}\n" for name, version in versions.items())
    return f"{CONDA_HEADER}  - python={python}\n  - pip\n  - pip:\n{packages}"


def main() -> None:
    """Resolve and write both files."""
    versions = resolve(direct_requirements())
    LOCK.write_text(lock_text(versions))
    CONDA.write_text(conda_text(versions, python_version()))
    print(f"{len(versions)} packages in {LOCK.relative_to(ROOT)} and {CONDA.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
