"""The report of a made-up study in headless Chromium, opened from its file."""

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from matplotlib.figure import Figure
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from finescale.figures.style import styled
from finescale.report import Drawing, render

WINDOWS = {"narrow": (390, 844), "wide": (1400, 900)}
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
NUMBERS = (9, 10, -2.5, None, 8192, 0.125)  # as text they come in another order


class Browser(Chrome):
    """Chromium with what its pages said and asked for."""

    width = 0

    def show(self, page: Path, width: int, height: int) -> None:
        """Open a page anew in a window of this size."""
        self.width = width
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        # without it, scrolling takes its time
        reduced = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
        self.execute_cdp_cmd("Emulation.setEmulatedMedia", reduced)
        self.get("about:blank")
        for log in ("browser", "performance"):
            self.get_log(log)
        self.get(page.as_uri())

    def network(self) -> list[dict]:
        """What happened on the network since the page was opened, or the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.get_log("performance")]
        return [event for event in events if event["method"].startswith("Network.")]

    def run(self, script: str, *arguments: object) -> object:
        """The value of a script."""
        return self.execute_script(script, *arguments)


@pytest.fixture(scope="session")
def made_up() -> ModuleType:
    """tests/report/made_up.py."""
    file = Path(__file__).parents[1] / "report" / "made_up.py"
    spec = importlib.util.spec_from_file_location("made_up", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def picture(folder: Path) -> str:
    """A drawing as the figures make them."""
    with styled():
        figure = Figure(figsize=(7.2, 4))
        for axes in figure.subplots(1, 3):
            axes.plot([1, 2, 3], [1.2, 5.4, 3.3], "o-")
            axes.fill_between([1, 2, 3], [1, 2, 3], [2, 3, 4.7], alpha=0.1)
            axes.set_title("A title")
        figure.savefig(folder / "figure.svg")
    return (folder / "figure.svg").read_text()


def wide_table() -> str:
    """Rows of numbers, and more columns than fit into any window."""
    heads = ["name", "number", *(f"column {i} of many" for i in range(20))]
    rows = [
        [f"row {i}", "" if number is None else str(number), *["0.5"] * 20]
        for i, number in enumerate(NUMBERS)
    ]
    return "\n".join(",".join(row) for row in [heads, *rows]) + "\n"


@pytest.fixture(scope="session")
def page(made_up: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a study with three figures and two tables."""
    folder = tmp_path_factory.mktemp("report")
    drawn, digest = picture(folder), "0123456789abcdef" * 4
    drawings = [
        *(Drawing("figure", name, digest, "a\n1\n", drawn) for name in ("figure1", "figure2")),
        Drawing("figure", "search", digest, "a\n1\n", drawn),
        Drawing("table", "table3", digest, "size,nominal\nXS,97000\nS,254000\n"),
        Drawing("table", "table4", digest, wide_table()),
    ]
    file = folder / "report.html"
    file.write_text(render(made_up.study(drawings=drawings)), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests, with a profile of its own."""
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        pytest.skip("no chromium and chromedriver here; `make test-browser` installs them")
    options = ChromeOptions()
    options.binary_location = programs[0]
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = Browser(options=options, service=Service(programs[1]))
    yield browser
    browser.quit()


@pytest.fixture(params=WINDOWS)
def browser(request: pytest.FixtureRequest, chromium: Browser, page: Path) -> Browser:
    """The report in a narrow and in a wide window."""
    chromium.show(page, *WINDOWS[request.param])
    return chromium


@pytest.fixture
def wide(chromium: Browser, page: Path) -> Browser:
    """The report in a wide window."""
    chromium.show(page, *WINDOWS["wide"])
    return chromium
