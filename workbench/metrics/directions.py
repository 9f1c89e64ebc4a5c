"""Which way of a metric is better, where its name says so."""

from __future__ import annotations

from typing import Final

UP: Final = 1
DOWN: Final = -1
UNKNOWN: Final = 0

_BETTER_HIGH: Final = frozenset({
    "accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "mcc", "matthews_correlation",
    "roc_auc", "pr_auc", "auc", "average_precision", "r2", "pearson", "spearman", "exact_match", "token_accuracy",
    "masked_accuracy", "rouge1", "rouge2", "rougel", "rougelsum", "bleu", "chrf", "kappa", "best_f1",
})  # fmt: skip
_BETTER_LOW: Final = frozenset({
    "loss", "perplexity", "pseudo_perplexity", "bits_per_byte", "bits_per_character", "log_loss", "ece", "brier",
    "mse", "rmse", "mae", "error_rate", "hamming_loss", "wer", "cer", "error",
})  # fmt: skip


def direction(key: str) -> int:
    """UP, DOWN or UNKNOWN for a scalar key such as `eval/f1_macro` or `train/loss`."""
    parts = key.rsplit("/", 1)[-1].lower().split("_")
    # `f1_macro` and `exact_match_no_answer` go the way of what they begin with.
    for name in ("_".join(parts[:length]) for length in range(len(parts), 0, -1)):
        if name in _BETTER_HIGH:
            return UP
        if name in _BETTER_LOW:
            return DOWN
    return UNKNOWN


def named(word: object) -> int:
    """The direction that a `plan` event says: "max" or "min"."""
    return {"max": UP, "min": DOWN}.get(str(word), UNKNOWN)
