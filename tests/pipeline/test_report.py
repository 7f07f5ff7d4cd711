"""What the report of a finished study tells people to type, and Snakemake's own report."""

import html
import re
import shlex
import subprocess
import sys
from pathlib import Path


def commands(checkout) -> list[str]:
    """The commands on the page, as a shell gets them."""
    page = (checkout.folder / "results/smoke/report.html").read_text(encoding="utf-8")
    lines = "\n".join(re.findall(r"<code>([^<]+)</code>", page)).splitlines()
    return [html.unescape(line) for line in lines if re.match(r"(snakemake|finescale) .", line)]


def run(command: str, checkout) -> subprocess.CompletedProcess[str]:
    """In a shell that finds the programs of this environment."""
    path = f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
    return subprocess.run(
        f"{path} {command}", shell=True, cwd=checkout.folder, capture_output=True, text=True
    )


def test_the_page_has_a_command_for_each_drawing_and_itself(smoke_run):
    checkout, _ = smoke_run
    shown = {
        path.relative_to(checkout.folder).as_posix()
        for path in checkout.folder.glob("results/smoke/*/*.pdf")
    }
    assert len(shown) > 15
    made = [shlex.split(command)[3] for command in commands(checkout) if "snakemake" in command]
    assert set(made) == shown | {"results/smoke/report.html"}


def test_a_command_of_the_page_makes_what_it_says_and_nothing_else(smoke):
    figure = smoke.folder / "results/smoke/figures/figure2.pdf"
    shown = figure.resolve()
    make, trace = [one for one in commands(smoke) if "figure2.pdf" in one][:2]
    label = next(
        item.label for item in smoke.store.artifacts("figure") if item.folder == shown.parent
    )
    smoke.finescale("invalidate", shown.parent.name, "--yes")
    figure.unlink()
    done = run(make, smoke)
    assert done.returncode == 0, done.stderr
    assert figure.resolve() == shown
    assert re.findall(r"\(Rule: (\w+)\)", done.stderr) == ["figure", "figure_view"]
    assert run(trace, smoke).stdout.splitlines()[0].endswith(label)


def test_snakemakes_own_report_has_the_figures_the_tables_and_the_page(smoke):
    done = smoke.snakemake("--report", "whole.html")
    assert done.status == 0, done.log
    text = (smoke.folder / "whole.html").read_text(encoding="utf-8")
    for category in ("Figures", "Tables", "Report"):
        assert f'"{category}"' in text
    for name in ("figures/figure2.svg", "figures/search.svg", "tables/table4.svg", "report.html"):
        assert f"results/smoke/{name}" in text
