"""The records of the corpus: what one line of a member holds."""

import json

Record = dict[str, str]


def example(
    identifier: str, source: str, target: str, source_language: str, target_language: str
) -> Record:
    """A finetuning or test example. `identifier` is page#place; the page tells the role."""
    return {
        "id": identifier,
        "source": source,
        "target": target,
        "source_language": source_language,
        "target_language": target_language,
    }


def text(page: str, lines: list[str]) -> Record:
    """A pretraining document: the paragraphs of one page, one a line."""
    return {"id": page, "text": "\n".join(lines)}


def to_lines(records: list[Record]) -> bytes:
    """JSON lines with sorted keys, UTF-8."""
    lines = [json.dumps(record, ensure_ascii=False, sort_keys=True) for record in records]
    return "".join(line + "\n" for line in lines).encode()
