"""Command line of the builder: ``python -m builder`` in ``resources/``."""

import argparse
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from . import packages
from .archive import describe_members, encode, pin, sources_entry, write_archive, write_report
from .corpus import build_members, page_roles, read_help, read_other_text
from .site import Site

RESOURCES = Path(__file__).parents[1]
PINS = RESOURCES / "packages.json"


def main() -> None:
    """Fetch, check, build; prints the entry for config/sources.yaml."""
    arguments = parse_arguments()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            root = fetch(Path(scratch), arguments.packages, arguments.pin)
            build(root, RESOURCES)
    except packages.PackageError as error:
        sys.exit(f"error: {error}")


def parse_arguments() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m builder", description=__doc__)
    parser.add_argument(
        "--packages", type=Path, metavar="FOLDER", help="use the .deb files in FOLDER, not apt"
    )
    parser.add_argument(
        "--pin", action="store_true", help="take the packages as they are and record them"
    )
    return parser.parse_args()


def fetch(scratch: Path, folder: Path | None, pin_anew: bool) -> Path:
    """Folder with the unpacked packages, after checking them against the pins."""
    if folder is None:
        folder = scratch / "packages"
        folder.mkdir()
        packages.download(folder, _specifications(pin_anew))
    if pin_anew:
        packages.write_pins(PINS, folder)
    paths = packages.check(folder, packages.read_pins(PINS))
    root = scratch / "root"
    packages.unpack(paths, root)
    return root


def _specifications(pin_anew: bool) -> list[str]:
    if pin_anew:
        return packages.PACKAGES
    return [f"{package.name}={package.version}" for package in packages.read_pins(PINS)]


def build(root: Path, folder: Path) -> None:
    """Build corpus.tar.xz and corpus.json in `folder` from the unpacked packages in `root`."""
    pages = read_help(root)
    roles = page_roles(pages)
    records, drops = build_members(Site(pages, roles), read_other_text(root))
    archive = folder / "corpus.tar.xz"
    write_archive(archive, encode(records))
    archive_pin, described = pin(archive.read_bytes()), describe_members(records, drops)
    report = {
        "archive": archive_pin,
        "packages": [asdict(package) for package in packages.read_pins(PINS)],
        "libreoffice_pages": dict(sorted(Counter(roles.values()).items())),
        "members": described,
    }
    write_report(folder / "corpus.json", report)
    print(sources_entry(archive_pin, described), end="")


if __name__ == "__main__":
    main()
