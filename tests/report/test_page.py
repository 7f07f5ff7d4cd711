"""The page: well-formed, self-contained, complete, and nothing in it is taken for markup."""

import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

from finescale.figures import TaskScores
from finescale.report import Drawing, SuiteScores, eight_claims, render
from finescale.report.captions import CAPTIONS
from finescale.report.page import bars, line_words, numbered
from finescale.report.verdicts import NOT_DECIDED, Finding, Part, measured, missing
from finescale.study.build import plan_study

ROOT = Path(__file__).parents[2]
VOID = {"meta", "link", "br", "input", "img", "hr"}


class Page(HTMLParser):
    """Elements in order; unclosed or crossed tags are refused."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.elements, self.open = text, [], []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        assert len(dict(attributes)) == len(attributes), f"{tag}: an attribute is there twice"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def said(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page(made_up) -> Page:
    return Page(render(made_up.study()))


def test_nothing_is_loaded_from_anywhere(page):
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            address = attributes.get(name)
            assert not address or address.startswith(("#", "data:,")), (tag, address)
    assert not re.search(r"@import|url\((?!#)", page.text)


def test_identifiers_are_unique_and_links_resolve(page):
    counts = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    assert set(counts.values()) == {1}
    targets = [
        attributes[name][1:]
        for _, attributes in page.elements
        for name in ("href", "xlink:href")
        if attributes.get(name, "").startswith("#")
    ]
    assert targets
    assert set(targets) <= set(counts)


def test_headings_go_down_one_step_at_a_time(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_it_can_be_heard(page):
    (html,) = page.all("html")
    assert html["lang"] == "en"
    assert all(heading["scope"] == "col" for heading in page.all("th"))
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in page.all("svg"))
    scrolled = [a for tag, a in page.elements if "scroll" in a.get("class", "").split()]
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in scrolled)


def test_figures_come_by_number_and_others_last(page):
    articles = [attributes["id"] for attributes in page.all("article")]
    assert articles[8:] == ["figure2", "figure10", "search", "table4", "data-help"]
    assert len(page.all("svg")) == 3


def test_each_drawing_has_its_words_and_its_provenance(page):
    for name in ("figure2", "figure10", "search", "table4"):
        assert CAPTIONS[name].shows in page.said
        assert f"If the paper holds: {CAPTIONS[name].expected}" in page.said
    assert "0123456789ab" in page.said
    command = "snakemake --cores all {} --configfile config/small.yaml"
    for path in ("figures/figure2.pdf", "tables/table4.pdf", "report.html"):
        assert command.format(f"results/small/{path}") in page.said
    assert "finescale trace results/small/tables/table4.pdf" in page.said


def test_counts_config_and_what_is_missing_are_there(page):
    assert "Help FMT 2 2 0 0 0 1" in page.said
    assert "Help LoRA 2 1 1 0 1 1" in page.said
    assert "All 4 3 1 0 1 2" in page.said
    assert "seeds: [0, 1]" in page.said
    assert "Figure 3: no task has two or more pretraining_tokens" in page.said


def test_all_eight_claims_have_a_verdict(page):
    verdicts = [a["class"] for a in page.all("span") if "verdict" in a.get("class", "")]
    assert len(verdicts) >= 16  # in the overview and at each claim
    assert "This study has no scores of such suites." in page.said


def test_a_table_is_shown_with_its_interval_and_sorted_by_its_value(page):
    assert "0.150 [0.120, 0.190]" in page.said
    assert {"class": "number", "data-value": "0.15"} in page.all("td")


def test_text_is_never_markup(made_up):
    rows = "a\n<script>alert(1)</script>\n"
    drawing = Drawing("table", "table1", "0" * 64, rows)
    page = Page(render(made_up.study(drawings=[drawing], config="<b>", name="x<y")))
    assert len(page.all("script")) == 1
    assert "<script>alert(1)</script>" in page.said
    assert "Study x<y" in page.said


def test_a_study_without_laws_or_drawings_has_a_page(made_up):
    nothing = made_up.study(drawings=[], fits=[], claims=eight_claims([], [], []), unsupported={})
    assert "The study has no laws to compare." in Page(render(nothing)).said


def test_the_same_study_gives_the_same_page(made_up):
    assert render(made_up.study()) == render(made_up.study())


@pytest.mark.parametrize(
    ("name", "called"),
    [("figure2", "Figure 2"), ("table14", "Table 14"), ("loss-model-size", "Loss model size")],
)
def test_names(name, called):
    assert numbered(name) == called


def test_bars_lie_on_one_axis(made_up):
    findings = (
        measured("a", "b", 1.0, np.array([0.9, 1.1] * 20)),
        missing("a", "b", "why"),
        Finding("a", "b", NOT_DECIDED, 2.0, (-1e9, float("inf"))),
    )
    drawn = bars(Part("", "", findings))
    assert drawn[1] is None
    narrow, wide = drawn[0], drawn[2]
    (border,) = narrow.borders
    assert 0 < border < narrow.left < narrow.dot < wide.dot < 100
    assert (wide.left, wide.width) == (0, 100)
    assert wide.borders == (border,)


def test_the_lines_of_bars_are_named():
    assert line_words(Part("", "", ())) == "line at 0"
    assert line_words(Part("", "", (), borders=(-0.01, 0.01))) == "lines at −0.01 and 0.01"


def test_everything_the_studies_draw_has_a_caption():
    for name in ("smoke", "demo", "paper"):
        report = recipe(name)
        assert {*report.parameters["figures"], *report.parameters["tables"]} <= set(CAPTIONS)


def recipe(name: str):
    config = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())
    schema, sources = ROOT / "workflow/schemas/config.schema.yaml", ROOT / "config/sources.yaml"
    plan = plan_study(config, schema, sources, name)
    (found,) = [item for item in plan.recipes.values() if item.stage == "report"]
    assert (view := plan.views[-1]).reference == found.reference
    assert (view.path, view.file) == (f"results/{plan.study}/report.html", "report.html")
    return found


def test_the_plan_hands_over_everything():
    found = recipe("demo")
    inputs, parameters = found.inputs, found.parameters
    for role in ("figures", "tables", "scores"):
        assert len(inputs[role]) == len(parameters[role]) > 0
    assert len(inputs["fits"]) == 3
    assert {score["suite"] for score in parameters["scores"]} == {
        "test",
        "zero-shot",
        "one-shot",
        "five-shot",
    }
    config = yaml.safe_load(parameters["config"])
    assert config["study"] == "demo"
    assert "&id" not in parameters["config"]


def test_the_page_has_scores_where_a_study_has(made_up):
    about = {"task": "help", "title": "Help", "metric": "chrf", "model_size_as": "nominal"}
    task = TaskScores(**about, base=made_up.BASE, runs=(), baselines={})
    scores = [SuiteScores("one-shot", task)]
    claims = eight_claims([], [made_up.point()], scores)
    said = Page(render(made_up.study(claims=claims))).said
    assert "None of 2 comparisons could be made." in said
