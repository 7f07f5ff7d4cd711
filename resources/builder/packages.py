"""Fetches the pinned Debian packages with apt and unpacks them; installs nothing."""

import hashlib
import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

HELP_LANGUAGES = {  # our code -> (package suffix, folder in the package)
    "en": ("en-us", "en-US"),
    "de": ("de", "de"),
    "zh": ("zh-cn", "zh-CN"),
    "fr": ("fr", "fr"),
    "es": ("es", "es"),
    "hi": ("hi", "hi"),
    "tr": ("tr", "tr"),
    "pl": ("pl", "pl"),
}
PACKAGES = [
    *(f"libreoffice-help-{suffix}" for suffix, _ in HELP_LANGUAGES.values()),
    "gnome-user-docs",
    "debian-handbook",
]


class PackageError(Exception):
    """A package that cannot be had, or is not the one this corpus is made from."""


@dataclass(frozen=True)
class Package:
    """One pinned binary package."""

    name: str
    version: str
    sha256: str


def read_pins(path: Path) -> list[Package]:
    """The packages that `path` (packages.json) pins."""
    return [Package(**entry) for entry in json.loads(path.read_text())]


def write_pins(path: Path, folder: Path) -> None:
    """Record name, version and SHA-256 of the packages lying in `folder`."""
    pins = [_describe(_find(folder, name)) for name in PACKAGES]
    path.write_text(json.dumps([asdict(pin) for pin in pins], indent=2) + "\n")


def download(folder: Path, specifications: list[str]) -> None:
    """`apt-get download` each of `specifications` (name or name=version) into `folder`."""
    result = subprocess.run(
        ["apt-get", "download", *specifications], cwd=folder, capture_output=True, text=True
    )
    if result.returncode != 0:
        raise PackageError(
            f"apt-get download failed:\n{result.stderr.strip()}\n"
            "Run `apt-get update` first. A version that the mirrors no longer carry is kept by "
            "Debian's snapshot archive: put the .deb files into a folder and pass --packages."
        )


def check(folder: Path, pins: list[Package]) -> list[Path]:
    """Paths of the pinned packages in `folder`; PackageError if one is missing or differs."""
    return [_check_one(folder, pin) for pin in pins]


def _check_one(folder: Path, pin: Package) -> Path:
    path = _find(folder, pin.name)
    found = _describe(path)
    if found != pin:
        raise PackageError(
            f"{path.name}: expected {pin.name} {pin.version} with SHA-256 {pin.sha256}, "
            f"found {found.name} {found.version} with SHA-256 {found.sha256}. Another package "
            "gives another corpus: fetch the pinned one, or record the new ones with --pin."
        )
    return path


def unpack(packages: list[Path], folder: Path) -> None:
    """Extract the files of all `packages` below `folder`."""
    for package in packages:
        subprocess.run(["dpkg-deb", "--extract", str(package), str(folder)], check=True)


def _find(folder: Path, name: str) -> Path:
    matches = sorted(folder.glob(f"{name}_*.deb"))
    if len(matches) != 1:
        raise PackageError(f"{folder}: expected one {name}_*.deb, found {len(matches)}")
    return matches[0]


def _describe(path: Path) -> Package:
    result = subprocess.run(
        ["dpkg-deb", "--field", str(path), "Package", "Version"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    fields = dict(line.split(": ", 1) for line in result.stdout.splitlines())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Package(fields["Package"], fields["Version"], digest)
