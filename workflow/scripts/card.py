"""Write the data card of a task: sizes, lengths, overlap of training and test sets, samples."""

import json

from finescale.store import Job, run_job


def make(job: Job) -> None:
    """Write card.json and card.md."""
    from finescale.cards.card import make_card
    from finescale.cards.markdown import markdown

    card = make_card(job)
    (job.out / "card.json").write_text(
        json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    (job.out / "card.md").write_text(markdown(card), encoding="utf-8")


if __name__ == "__main__":
    run_job(make)
