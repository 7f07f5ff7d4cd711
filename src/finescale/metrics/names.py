"""The names of the metrics, as configs, tables and figures write them."""

from collections.abc import Sequence

from finescale.errors import UserError, suggestion

# What people read. BLEU and chrF go from 0 to 100, RougeL (F1) and shares from 0 to 1; BLEURT-20
# is near 0 for random and near 1 for perfect outputs, without being confined to that.
TITLES = {
    "bleu": "BLEU",
    "chrf": "chrF",
    "rougeL_ascii": "RougeL (tokens of a-z and 0-9)",
    "rougeL_unicode": "RougeL (Unicode words)",
    "wrong_language": "share of outputs in the wrong language",
    "bleurt": "BLEURT-20",
}
METRICS = tuple(TITLES)  # of outputs
LEARNED = "bleurt"
LOG_PERPLEXITY = "log_perplexity"  # of references: in nats per target token, lower is better
TITLES[LOG_PERPLEXITY] = "log-perplexity"
# What tells the models of one scores.csv from each other.
LABELS = (
    *("method", "nominal_size", "pretraining_tokens", "pet_parameter_size"),
    *("finetuning_examples", "seed", "baseline"),
)


def check_metrics(metrics: Sequence[str], target_language: str | None, *, learned: bool) -> None:
    """Raise UserError for metrics or a target language that cannot be scored.

    `target_language` is None where a task has several; `learned` says whether there is a model for
    the learned metric.
    """
    from finescale.tokens.languages import language_name

    if not metrics:
        raise UserError(f"no metric to score; known: {', '.join(METRICS)}")
    for name in metrics:
        if name not in METRICS:
            raise UserError(f"unknown metric `{name}`{suggestion(name, METRICS)}")
    if target_language is not None:
        language_name(target_language)
    if LEARNED in metrics and not learned:
        raise UserError(
            f"metric `{LEARNED}` needs the files of BLEURT-20, and none are named. Name them, or "
            "score translations by `chrf`"
        )
