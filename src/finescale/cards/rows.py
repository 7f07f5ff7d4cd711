"""What people read of a card, wherever they read it: sentences, and rows under headings."""

from collections.abc import Iterator, Mapping
from typing import Any

from finescale.counts import format_bytes

Card = Mapping[str, Any]  # as card.json holds it
Row = dict[str, int | float | str | None]

KINDS = {"test": "test ", "zero_shot": "zero-shot ", "later_test": "later test "}
ENDS = ("source", "target")
LENGTH_NAMES = ("median", "p95", "max")  # after the mean
UNITS = ("characters", "words", "tokens")
LENGTHS = (
    "Each cell: mean / median / 95th percentile / longest. A character of a script without spaces "
    "(Chinese, Japanese, Thai) counts as a word. Tokens are what models see: with the prompt, the "
    "end of a target counted, and cut at the task's limits."
)
RULE = (
    "Texts are compared with case folded, every digit as 0 and white space collapsed; sources with "
    "sources, targets with targets. A text of eight words or more is nearly repeated where 70% or "
    "more of its 8-grams of words occur; the shares of these are of such texts. A character of a "
    "script without spaces counts as a word."
)
MEANING = (
    "What training holds can be answered from memory, in part or whole. On such examples scores "
    "and losses are better than on unseen text, most of all where a model trained on much of it."
)
SIZES = "Repeated are examples with the same source and target as an earlier one of the set."


def title_of(one: Mapping[str, Any]) -> str:
    """What a split or set of a card is called: `train`, `test help`, `zero-shot fr-de`."""
    return f"{KINDS.get(one['kind'], '')}{one['name']}"


def size_rows(card: Card) -> Iterator[Row]:
    """How many examples there are, in which languages, and how many say the same."""
    for one in card["sets"]:
        yield {
            "set": title_of(one),
            "examples": one["examples"],
            "repeated": one["repeated"],
            "languages": languages_of(one),
        }


def languages_of(one: Mapping[str, Any]) -> str:
    """`en-de`, or each pair with its share where there are several."""
    pairs = [(f"{pair['source']}-{pair['target']}", pair["examples"]) for pair in one["languages"]]
    if len(pairs) == 1:
        return pairs[0][0]
    return ", ".join(f"{name} {100 * count / one['examples']:.3g}%" for name, count in pairs)


def length_rows(card: Card) -> Iterator[Row]:
    """Lengths of sources and targets."""
    for one in card["sets"]:
        for end in ENDS:
            yield {
                "set": title_of(one),
                "side": end,
                **{unit: _lengths(one[end].get(unit)) for unit in UNITS},
                "cut": one[end].get("cut"),
            }


def _lengths(found: Mapping[str, float] | None) -> str | None:
    if found is None:
        return None
    return " / ".join([f"{found['mean']:.1f}", *(f"{found[name]}" for name in LENGTH_NAMES)])


def cleaning_rows(card: Card) -> Iterator[Row]:
    """What became of the raw records, of the sets where that was counted."""
    counted = [one for one in card["sets"] if one["cleaning"]]
    names = list(dict.fromkeys(name for one in counted for name in one["cleaning"]))
    for one in counted:
        yield {"set": title_of(one), **{name: one["cleaning"].get(name) for name in names}}


def overlap_rows(card: Card) -> Iterator[Row]:
    """Shares of the held-out sets that training holds, and that dev holds, in percent."""
    for one in card["sets"]:
        for holder, found in one["overlap"].items():
            count = found["examples"]
            yield {
                "set": title_of(one),
                "held by": holder,
                "examples": count,
                "pair %": percent(found["pair"], count),
                **{f"{end} %": percent(found[end], count) for end in ENDS},
                **{
                    f"{end} nearly %": percent(found[f"near_{end}"], found[f"long_{end}"])
                    for end in ENDS
                },
            }


def percent(part: int, whole: int) -> float | None:
    """A share in percent with two decimals, None of nothing; a small one keeps a digit."""
    if not whole:
        return None
    share = 100 * part / whole
    return (round(share, 2) or float(f"{share:.1g}")) if part else 0


def overlap_sentences(card: Card) -> Iterator[str]:
    """One sentence for each test set: how much of it training holds."""
    for one in card["sets"]:
        if one["kind"] not in ("train", "dev"):
            yield _overlap_sentence(title_of(one), one["overlap"]["train"])


def _overlap_sentence(name: str, found: Mapping[str, int]) -> str:
    count = found["examples"]
    parts = [f"{_of(found['pair'], count)}) whole"] if found["pair"] else []
    parts += [f"the {end} of {_of(found[end], count)})" for end in ENDS if found[end]]
    for end in ENDS:
        near, long = found[f"near_{end}"], found[f"long_{end}"]
        if near:
            parts.append(f"nearly the {end} of {_of(near, long)} of the {long:,} long ones)")
    if not parts:
        return f"Training holds none of the {count:,} examples of {name}, in part or nearly either."
    return f"Of the {count:,} examples of {name}, training holds {_listed(parts)}."


def _of(part: int, whole: int) -> str:
    """A count and the beginning of a bracket with its share."""
    share = 100 * part / whole
    return f"{part:,} ({share:.1f}%" if share >= 0.05 else f"{part:,} (below 0.1%"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def file_rows(card: Card) -> Iterator[Row]:
    """The raw files behind each set."""
    for one in card["sets"]:
        for raw in one["raw"]:
            yield {
                "set": title_of(one),
                "raw file": raw["name"],
                "size": None if raw["size"] is None else format_bytes(raw["size"]),
                "pinned": "yes" if raw["pinned"] else "no",
                "licence": raw["licence"] or "not stated",
                "purpose": raw["purpose"] or None,
            }


def without_empty(rows: list[Row]) -> list[Row]:
    """The rows without the columns that have nothing in any of them."""
    names = rows[0] if rows else {}
    kept = [name for name in names if any(row[name] is not None for row in rows)]
    return [{name: row[name] for name in kept} for row in rows]
