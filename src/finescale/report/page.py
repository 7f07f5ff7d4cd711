"""The page itself: everything a study has, put into the template."""

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from jinja2 import Environment, PackageLoader, StrictUndefined

from finescale.cards.rows import MEANING, Card, overlap_sentences, title_of
from finescale.laws import Point, TaskFit
from finescale.report.captions import Caption, caption
from finescale.report.cards import card_tables
from finescale.report.counts import Runs, base_models, laws_by_status, runs_by_method
from finescale.report.svg import inline
from finescale.report.tables import MINUS, in_words, tables_of, with_interval
from finescale.report.verdicts import NOT_DECIDED, SUPPORTED, Claim, Finding, Part

SHORT = 12  # digits of a digest that people are shown
MARKS = {SUPPORTED: "✓", NOT_DECIDED: "?"}


@dataclass(frozen=True)
class Drawing:
    """A figure or a table as its artifact has it; `svg` is None where the page shows the rows."""

    kind: str  # figure or table
    name: str
    digest: str
    csv: str
    svg: str | None = None

    @property
    def number(self) -> str:
        """What it is called."""
        return numbered(self.name)

    @property
    def heading(self) -> str:
        """Number and title, where it has a number."""
        title = self.caption.title
        return f"{self.number}. {title}" if self.number.split()[-1].isdigit() else title

    @property
    def caption(self) -> Caption:
        """Its words."""
        return caption(self.name)

    @property
    def picture(self) -> str:
        """The drawing as a part of the page."""
        assert self.svg is not None
        return inline(self.svg, self.name, f"{self.number}: {self.caption.shows}")


def numbered(name: str) -> str:
    """`Figure 2` of `figure2`, `Loss model size` of `loss-model-size`."""
    parts = re.fullmatch(r"([a-z]+)(\d+)", name)
    return f"{parts[1].title()} {parts[2]}" if parts else name.replace("-", " ").capitalize()


@dataclass(frozen=True)
class Study:
    """All that the page shows."""

    name: str
    config: str
    fits: Sequence[TaskFit]
    points: Sequence[Point]
    claims: Sequence[Claim]
    drawings: Sequence[Drawing]
    unsupported: Mapping[str, str]  # why a figure or table is not drawn
    cards: Sequence[Card] = ()  # what is known of each task's data
    stamp: str = ""  # of a preview, which is not the study's own page

    def path(self, drawing: Drawing) -> str:
        """Where people find a drawing."""
        return f"results/{self.name}/{drawing.kind}s/{drawing.name}.pdf"

    def remake(self, path: str) -> str:
        """The command that makes a file of the study, for a shell."""
        # the target first: --configfile takes all that follows it
        config = f"config/{self.name}.yaml"
        return shlex.join(["snakemake", "--cores", "all", path, "--configfile", config])

    def of_kind(self, kind: str) -> list[Drawing]:
        """The figures or the tables, by number."""
        return sorted((d for d in self.drawings if d.kind == kind), key=lambda d: _order(d.name))


def _order(name: str) -> tuple[bool, int, str]:
    digits = re.sub(r"\D", "", name)
    return not digits, int(digits or 0), name


def render(study: Study) -> str:
    """The whole page as HTML."""
    environment = Environment(
        loader=PackageLoader("finescale.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "interval": interval_words,
        "number": estimate_words,
        "share": share,
        "numbered": numbered,
        "in_words": in_words,
        "title_of": title_of,
    }
    titles = {fit.settings.task: fit.settings.title for fit in study.fits}
    return environment.get_template("page.html").render(
        study=study,
        titles=titles,
        total=Runs.of(study.points),
        by_method=runs_by_method(study.points),
        base_models=base_models(study.points),
        laws=laws_by_status(study.fits),
        tables_of=tables_of,
        card_tables=card_tables,
        overlap_sentences=overlap_sentences,
        overlap_meaning=MEANING,
        bars=bars,
        summary=summary,
        line_words=line_words,
        marks=MARKS,
        short=SHORT,
    )


def interval_words(value: float, bounds: tuple[float, float] | None) -> str:
    """`0.15 [0.12, 0.19]`, whose bounds stay on one line."""
    words = with_interval(value, *bounds) if bounds else f"{value:.2g}"
    return words.replace(", ", ",\N{NO-BREAK SPACE}")


def estimate_words(finding: Finding) -> str:
    """The number of a comparison; nothing where it could not be made."""
    return "" if finding.estimate is None else interval_words(finding.estimate, finding.interval)


def share(value: float | None) -> str:
    """A share in per cent."""
    return "" if value is None else f"{100 * value:.1f}%"


def summary(part: Part) -> str:
    """How the comparisons of a part went, in words."""
    if not part.findings:
        return part.reason.capitalize() + "."
    made, left = part.counts.total(), len(part.findings) - part.counts.total()
    if not made:
        return (
            f"None of {left} comparisons could be made."
            if left > 1
            else "The one comparison could not be made."
        )
    words = [f"{count} {verdict}" for verdict, count in part.counts.most_common()]
    of = f"Of {made} comparison{'s' * (made != 1)}: {', '.join(words)}."
    return f"{of} {left} more could not be made." if left else of


def line_words(part: Part) -> str:
    """What the lines across the bars of a part stand for."""
    places = " and ".join(f"{border:g}" for border in part.borders).replace("-", MINUS)
    return f"line{'s' * (len(part.borders) > 1)} at {places}"


@dataclass(frozen=True)
class Bar:
    """An interval on an axis, in per cent of its width; `dot` is the estimate."""

    left: float
    width: float
    dot: float
    borders: tuple[float, ...]


def bars(part: Part) -> list[Bar | None]:
    """A bar for each comparison of a part, all on one axis; None where there is no interval.

    The axis holds all estimates and most intervals; what goes beyond is cut.
    """
    known = [
        (finding.estimate, *finding.interval)
        for finding in part.findings
        if finding.estimate is not None and finding.interval
    ]
    if not known:
        return [None] * len(part.findings)
    borders = [_place(part, border) for border in part.borders]
    scale = _axis([[_place(part, value) for value in one] for one in known], borders)
    return [_bar(part, finding, scale) for finding in part.findings]


def _axis(intervals: Sequence[Sequence[float]], borders: Sequence[float]) -> tuple[float, float]:
    widths = [high - low for _, low, high in intervals if math.isfinite(high - low)]
    middle = [*borders, *(estimate for estimate, *_ in intervals)]
    room = max(median(widths) if widths else 0.0, (max(middle) - min(middle)) / 10) or 1.0
    return min(middle) - room, max(middle) + room


def _bar(part: Part, finding: Finding, scale: tuple[float, float]) -> Bar | None:
    if finding.estimate is None or finding.interval is None:
        return None
    low, high = scale

    def percent(value: float) -> float:
        place = min(max(_place(part, value), low), high)
        return round(100 * (place - low) / (high - low), 1)

    start, end = (percent(bound) for bound in finding.interval)
    borders = tuple(map(percent, part.borders))
    return Bar(start, round(end - start, 1), percent(finding.estimate), borders)


def _place(part: Part, value: float) -> float:
    """Where a value lies on the part's axis; ratios have a logarithmic one."""
    if not part.ratio:
        return value
    return math.log10(value) if 0 < value < math.inf else math.copysign(math.inf, value)
