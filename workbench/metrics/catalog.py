"""Every metric there is: its direction, its scale, its place among the others, and what it is a metric of.

All that is said of a metric anywhere is a view of `CATALOG`: which ones a task has, which way of each is better, in
which order they are shown, how their values are written and which of them share an axis. Plain data, without numpy or
torch, so that a check, the registry and the first frame of the TUI can ask.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from workbench.core.errors import BadInput
from workbench.core.suggest import nearest
from workbench.core.text import clean

Direction = Literal["max", "min"]

Kind = Literal[
    "single-label", "multi-label", "regression", "entities", "plain-tags", "question-answering", "seq2seq",
    "causal-lm", "masked-lm",
]  # fmt: skip
"""What is evaluated: a kind of label, or a task that has but one."""

KINDS: Final[Mapping[str, tuple[Kind, ...]]] = {
    "text-classification": ("single-label", "multi-label", "regression"),
    "token-classification": ("entities", "plain-tags"),
    "question-answering": ("question-answering",),
    "seq2seq": ("seq2seq",),
    "causal-lm": ("causal-lm",),
    "masked-lm": ("masked-lm",),
}


@dataclass(frozen=True, slots=True)
class MetricScale:
    """The values a metric can take, and with how many decimals they are written."""

    name: str
    low: float
    high: float
    decimals: int = 4

    @property
    def bounded(self) -> bool:
        """Whether it ends on both sides. Metrics of such a scale can be compared on one axis; others have units."""
        return math.isfinite(self.low) and math.isfinite(self.high)


SHARE: Final = MetricScale("share", 0.0, 1.0)
PERCENTAGE: Final = MetricScale("percentage", 0.0, 100.0, decimals=2)
CORRELATION: Final = MetricScale("correlation", -1.0, 1.0)
LOSS: Final = MetricScale("loss", 0.0, math.inf)
COUNT: Final = MetricScale("count", 0.0, math.inf, decimals=2)
UNBOUNDED: Final = MetricScale("unbounded", -math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class Metric:
    """`direction` says which way is better, None where neither is. `says` is what it measures, in a few words.

    `of` are the kinds of label, or tasks, that have it: none for what only the logs of other programs hold. A run can
    be known by a `headline` metric, and a line about an evaluation says them. `spelling` is how people write the name
    where that is not its words.
    """

    name: str
    direction: Direction | None
    scale: MetricScale
    says: str
    of: frozenset[Kind] = frozenset()
    headline: bool = False
    spelling: str = ""

    @property
    def title(self) -> str:
        """The name above a column: `F1`, `token accuracy`."""
        return self.spelling or self.name.replace("_", " ")


def _of(*kinds: Kind) -> frozenset[Kind]:
    return frozenset(kinds)


_CLASSES: Final = _of("single-label", "multi-label")
_ONE: Final = _of("single-label")
_SEVERAL: Final = _of("multi-label")
_NUMBERS: Final = _of("regression")
_ENTITIES: Final = _of("entities")
_ANSWERS: Final = _of("question-answering")
_TEXTS: Final = _of("seq2seq")
_CAUSAL: Final = _of("causal-lm")
_MASKED: Final = _of("masked-lm")

CATALOG: Final[tuple[Metric, ...]] = (
    # What people look at first. The order here is the order everywhere.
    Metric("accuracy", "max", SHARE, "rows that are right, label sets as a whole", _CLASSES, headline=True),
    Metric(
        "f1", "max", SHARE, "harmonic mean of precision and recall", _CLASSES | _ENTITIES | _ANSWERS, headline=True,
        spelling="F1",
    ),
    Metric("precision", "max", SHARE, "predictions that are right", _CLASSES | _ENTITIES, headline=True),
    Metric("recall", "max", SHARE, "labels or entities that are found", _CLASSES | _ENTITIES, headline=True),
    Metric("specificity", "max", SHARE, "rows of other classes that are left alone", _ONE),
    Metric("mcc", "max", CORRELATION, "Matthews' correlation of labels and predictions", _ONE, spelling="MCC"),
    Metric("perplexity", "min", UNBOUNDED, "e to the loss", _CAUSAL, headline=True),
    Metric("masked_accuracy", "max", SHARE, "masked tokens predicted right", _MASKED, headline=True),
    Metric(
        "pseudo_perplexity", "min", UNBOUNDED, "e to the loss", _MASKED, headline=True, spelling="pseudo-perplexity"
    ),
    Metric("bleu", "max", PERCENTAGE, "runs of up to four words in common", _TEXTS, headline=True, spelling="BLEU"),
    Metric("chrf", "max", PERCENTAGE, "runs of characters in common", _TEXTS, headline=True, spelling="chrF"),
    Metric("rouge1", "max", SHARE, "words in common", _TEXTS, headline=True, spelling="ROUGE-1"),
    Metric("rouge2", "max", SHARE, "pairs of words in common", _TEXTS, headline=True, spelling="ROUGE-2"),
    Metric("rougeL", "max", SHARE, "longest common subsequence", _TEXTS, headline=True, spelling="ROUGE-L"),
    Metric("exact_match", "max", SHARE, "answers or texts that are the same", _ANSWERS | _TEXTS, headline=True),
    Metric("mse", "min", UNBOUNDED, "mean squared error", _NUMBERS, headline=True, spelling="MSE"),
    Metric("r2", "max", UNBOUNDED, "part of the variance explained", _NUMBERS, headline=True, spelling="R²"),
    Metric("pearson", "max", CORRELATION, "linear correlation", _NUMBERS, headline=True, spelling="Pearson"),
    Metric("spearman", "max", CORRELATION, "correlation of the ranks", _NUMBERS, headline=True, spelling="Spearman"),
    Metric(
        "token_accuracy", "max", SHARE, "tokens predicted right, or words tagged right",
        _of("entities", "plain-tags", "causal-lm"), headline=True,
    ),
    Metric(
        "loss", "min", LOSS, "what training minimises", _of(*(kind for kinds in KINDS.values() for kind in kinds)),
        headline=True,
    ),
    Metric("bits_per_byte", "min", LOSS, "the loss in bits", _CAUSAL, headline=True, spelling="bits/byte"),
    # What completes the picture.
    Metric("mae", "min", UNBOUNDED, "mean absolute error", _NUMBERS, spelling="MAE"),
    Metric("rmse", "min", UNBOUNDED, "root of the mean squared error", _NUMBERS, spelling="RMSE"),
    Metric("f1_macro", "max", SHARE, "F1, mean over classes", _CLASSES | _ENTITIES, spelling="F1 macro"),
    Metric("f1_micro", "max", SHARE, "F1 of all decisions together", _ONE, spelling="F1 micro"),
    Metric("f1_weighted", "max", SHARE, "F1, mean weighted by rows of a class", _CLASSES, spelling="F1 weighted"),
    Metric("f1_samples", "max", SHARE, "F1, mean over rows", _SEVERAL, spelling="F1 samples"),
    Metric("precision_macro", "max", SHARE, "precision, mean over classes", _CLASSES),
    Metric("precision_micro", "max", SHARE, "precision of all decisions together", _ONE),
    Metric("precision_weighted", "max", SHARE, "precision, mean weighted by rows of a class", _CLASSES),
    Metric("precision_samples", "max", SHARE, "precision, mean over rows", _SEVERAL),
    Metric("recall_macro", "max", SHARE, "recall, mean over classes", _CLASSES),
    Metric("recall_micro", "max", SHARE, "recall of all decisions together", _ONE),
    Metric("recall_weighted", "max", SHARE, "recall, mean weighted by rows of a class", _CLASSES),
    Metric("recall_samples", "max", SHARE, "recall, mean over rows", _SEVERAL),
    Metric("roc_auc", "max", SHARE, "area under the ROC curve", _CLASSES, spelling="ROC-AUC"),
    Metric("pr_auc", "max", SHARE, "average precision", _CLASSES, spelling="PR-AUC"),
    Metric("log_loss", "min", LOSS, "cross entropy of the probabilities", _CLASSES),
    Metric("ece", "min", SHARE, "expected calibration error", _ONE, spelling="ECE"),
    Metric("hamming_loss", "min", SHARE, "decisions that are wrong", _SEVERAL, spelling="Hamming loss"),
    Metric("recall_all", "max", SHARE, "recall of all gold entities, cut off or not", _ENTITIES),
    Metric("f1_all", "max", SHARE, "F1 over all gold entities, cut off or not", _ENTITIES, spelling="F1 all"),
    Metric("exact_match_has_answer", "max", SHARE, "exact match where there is an answer", _ANSWERS),
    Metric("f1_has_answer", "max", SHARE, "F1 where there is an answer", _ANSWERS, spelling="F1 has answer"),
    Metric("exact_match_no_answer", "max", SHARE, "exact match where there is no answer", _ANSWERS),
    Metric("f1_no_answer", "max", SHARE, "F1 where there is no answer", _ANSWERS, spelling="F1 no answer"),
    Metric("best_f1", "max", SHARE, "F1 with the best `evaluate.null_threshold`", _ANSWERS, spelling="best F1"),
    Metric("best_f1_threshold", None, UNBOUNDED, "the threshold of `best_f1`", _ANSWERS, spelling="best F1 threshold"),
    Metric("rougeLsum", "max", SHARE, "ROUGE-L line by line", _TEXTS, spelling="ROUGE-Lsum"),
    Metric("length", None, COUNT, "mean number of words, or of characters", _TEXTS),
    Metric("length_ratio", None, UNBOUNDED, "length over that of the references", _TEXTS),
    # What other programs log.
    Metric("balanced_accuracy", "max", SHARE, "recall, mean over classes"),
    Metric("matthews_correlation", "max", CORRELATION, "as `mcc`"),
    Metric("kappa", "max", CORRELATION, "Cohen's kappa"),
    Metric("auc", "max", SHARE, "area under a curve", spelling="AUC"),
    Metric("average_precision", "max", SHARE, "as `pr_auc`"),
    Metric("bits_per_character", "min", LOSS, "the loss in bits", spelling="bits/character"),
    Metric("brier", "min", LOSS, "Brier score"),
    Metric("error", "min", UNBOUNDED, "any error, such as `error_rate`"),
    Metric("wer", "min", LOSS, "word error rate", spelling="WER"),
    Metric("cer", "min", LOSS, "character error rate", spelling="CER"),
)  # fmt: skip

BEST: Final[Mapping[Kind, str]] = {
    "single-label": "accuracy",
    "multi-label": "f1",
    "regression": "mse",
    "entities": "f1",
    "plain-tags": "token_accuracy",
    "question-answering": "f1",
    "seq2seq": "loss",
    "causal-lm": "loss",
    "masked-lm": "loss",
}
"""What chooses the checkpoint where the recipe does not say."""

_PLACES: Final = {metric.name.lower(): place for place, metric in enumerate(CATALOG)}
# What transformers' Trainer logs beside metrics.
_NO_METRICS: Final = ("runtime", "per_second", "epoch", "samples")


# -- by the key of a scalar, such as eval/f1, test/exact_match or eval/f1_PER -----------------------------------------


def bare(key: str) -> str:
    """The name without the split that it is of."""
    return key.partition("/")[2] or key


def named(key: str) -> Metric | None:
    """The metric of exactly this name, in whatever case; None where the catalog has none."""
    place = _PLACES.get(bare(key).lower())
    return None if place is None else CATALOG[place]


def find(key: str) -> Metric | None:
    """The metric of this name, or the one whose family it is of: `f1_PER` is an F1. None where there is neither."""
    place = _place(key)
    return None if place is None else CATALOG[place]


def _place(key: str) -> int | None:
    parts = key.rpartition("/")[2].lower().split("_")
    names = ("_".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((_PLACES[name] for name in names if name in _PLACES), None)


def direction(key: str) -> Direction | None:
    """Which way is better; None where that is not known, or neither is."""
    metric = find(key)
    return None if metric is None else metric.direction


def best_value(key: str, values: Iterable[float]) -> float | None:
    """The best of those that are finite; None where there are none, or no way is better."""
    better = {"max": max, "min": min}.get(str(direction(key)))
    finite = [value for value in values if math.isfinite(value)]
    return better(finite) if better is not None and finite else None


def title(key: str) -> str:
    """The name above a column: `F1`, `bits/byte`. What is not in the catalog goes by its own words."""
    metric = named(key)
    return bare(key).replace("_", " ") if metric is None else metric.title


def rank(key: str) -> tuple[int, str]:
    """What to sort by: the order of the catalog, a family side by side; then what is not in it, by name."""
    place = _place(key)
    return len(CATALOG) if place is None else place, bare(key)


def is_metric(key: str) -> bool:
    """Whether it says how good a model is: all in the catalog, and of the rest what is no timing or count."""
    return find(key) is not None or not bare(key).endswith(_NO_METRICS)


def headlines(keys: Iterable[str]) -> list[str]:
    """Those that a line about an evaluation says, in order: also metrics of which the catalog knows nothing."""
    return sorted(filter(_is_headline, keys), key=rank)


def _is_headline(key: str) -> bool:
    metric = find(key)
    return is_metric(key) if metric is None else metric.headline and metric is named(key)


def axis(keys: Iterable[str]) -> tuple[float, float]:
    """The least and the greatest value that an axis for all of these has room for."""
    scales = [UNBOUNDED if (metric := find(key)) is None else metric.scale for key in keys] or [UNBOUNDED]
    return min(scale.low for scale in scales), max(scale.high for scale in scales)


def on_one_axis(key: str, others: Iterable[str]) -> list[str]:
    """The key, and those of the others that are of its scale, in order: one axis shows all of them well."""
    metric = find(key)
    if metric is None or not metric.scale.bounded:
        return [key]
    alike = [other for other in others if (found := find(other)) is not None and found.scale is metric.scale]
    return list(dict.fromkeys([key, *sorted(alike, key=rank)]))


# -- by task ----------------------------------------------------------------------------------------------------------


def of_task(task: str, kind: Kind | None = None, own: Iterable[Metric] = ()) -> dict[str, Metric]:
    """The metrics of a task by name; where the kind of label is known, those of that kind.

    `own` are those that a task of another package brings; the loss it has as all have.
    """
    if task not in KINDS:
        return {metric.name: metric for metric in (*own, *CATALOG) if metric.name == "loss" or metric in own}
    kinds = set(KINDS[task] if kind is None else (kind,))
    there = [metric for metric in CATALOG if metric.of & kinds]
    return {metric.name: metric for metric in [*own, *there]}


def ordered(names: Iterable[str], asked: Iterable[str] = ()) -> list[str]:
    """The names as an evaluation logs them: the loss, what is asked for, and then the order of the catalog."""
    there = sorted(names, key=rank)
    first = ["loss", *map(bare, asked)]
    return list(dict.fromkeys([*(name for name in first if name in there), *there]))


# What scikit-learn, transformers' Trainer, seqeval and people call metrics that have another name here.
_ALSO: Final[Mapping[str, tuple[str, ...]]] = {
    "accuracy": ("acc", "accuracy_score", "top1", "top_1_accuracy", "overall_accuracy", "subset_accuracy"),
    "f1": ("f1_score", "fscore", "f_score", "f_measure", "f1_binary", "binary_f1", "overall_f1", "f"),
    "precision": ("prec", "precision_score", "ppv", "overall_precision"),
    "recall": ("rec", "recall_score", "sensitivity", "tpr", "overall_recall"),
    "specificity": ("tnr",),
    "mcc": ("matthews", "matthews_corrcoef", "matthews_correlation"),
    "f1_macro": ("macro_f1", "macro_f1_score", "f1_score_macro", "macro_avg_f1"),
    "f1_micro": ("micro_f1", "micro_f1_score", "f1_score_micro"),
    "f1_weighted": ("weighted_f1", "weighted_f1_score", "f1_score_weighted", "weighted_avg_f1"),
    "precision_macro": ("macro_precision",), "recall_macro": ("macro_recall", "balanced_accuracy", "uar"),
    "precision_micro": ("micro_precision",), "recall_micro": ("micro_recall",),
    "precision_weighted": ("weighted_precision",), "recall_weighted": ("weighted_recall",),
    "roc_auc": ("auc", "auroc", "rocauc", "auc_roc", "roc_auc_score"),
    "pr_auc": ("auprc", "aupr", "prauc", "auc_pr", "ap", "average_precision", "average_precision_score"),
    "log_loss": ("logloss", "nll", "cross_entropy", "crossentropy"),
    "ece": ("calibration_error", "expected_calibration_error"),
    "loss": ("nll", "cross_entropy", "crossentropy", "neg_log_likelihood"),
    "perplexity": ("ppl",), "pseudo_perplexity": ("ppl", "perplexity", "pppl"), "bits_per_byte": ("bpb",),
    "masked_accuracy": ("acc", "accuracy", "mlm_accuracy"),
    "token_accuracy": ("acc", "accuracy", "token_acc", "overall_accuracy"),
    "mse": ("mean_squared_error", "squared_error"), "rmse": ("root_mean_squared_error",),
    "mae": ("mean_absolute_error", "absolute_error"), "r2": ("r2_score", "r_squared", "rsquared"),
    "pearson": ("pearsonr", "pearson_correlation", "correlation"),
    "spearman": ("spearmanr", "spearman_correlation", "rho"),
    "bleu": ("sacrebleu", "bleu4", "bleu_4", "bleu_score"), "chrf": ("chrf++", "chrfpp"),
    "rouge1": ("rouge_1",), "rouge2": ("rouge_2",), "rougeL": ("rouge", "rouge_l", "rougel"),
    "rougeLsum": ("rouge_lsum", "rouge_l_sum"),
    "exact_match": ("em", "exact", "accuracy", "acc"),
}  # fmt: skip
_SPLIT: Final = ("eval_", "eval/", "validation_", "valid_", "val_", "test_", "dev_")


def meant(name: str, there: Iterable[str]) -> str | None:
    """The one of these metrics that a name is usual for in other programs: `eval_acc` is accuracy."""
    plain = name.lower().replace("-", "_").replace(" ", "_")
    plain = next((plain.removeprefix(split) for split in _SPLIT if plain.startswith(split)), plain)
    return next((own for own in there if plain == own.lower() or plain in _ALSO.get(own, ())), None)


def asked_for(
    task: str, name: str, *, where: str = "evaluate.best", kind: Kind | None = None, own: Iterable[Metric] = ()
) -> Metric:
    """The metric that a recipe names. Raises BadInput, with the nearest there is, where the task has no such one."""
    there = of_task(task, kind, own)
    found = there.get(name.removeprefix("eval/"))
    if found is not None:
        return found
    usual = meant(name, there)
    said = nearest(name, there) if usual is None else f" (did you mean '{usual}'?)"
    raise BadInput(
        f"{kind if kind and task in KINDS else task} has no metric '{clean(name)}'{said}",
        where=where,
        hint=f"use one of {', '.join(there)}",
    )


def chooses(
    task: str,
    asked: str | None = None,
    way: Direction | None = None,
    kind: Kind | None = None,
    own: Iterable[Metric] = (),
) -> tuple[Metric, Direction]:
    """The metric that chooses the checkpoint, and which way of it is better: as the recipe asks, else the task's own.

    Of a task of another package that is the first it brings.

    Raises BadInput as `asked_for`, and for a metric of which neither way is better unless the recipe says one.
    """
    usual = BEST[kind or KINDS[task][0]] if task in KINDS else next(iter(of_task(task, own=own)))
    metric = asked_for(task, asked or usual, kind=kind, own=own)
    better = way or metric.direction
    if better is None:
        raise BadInput(
            f"neither more nor less {metric.title} is better",
            where="evaluate.best",
            hint='set evaluate.direction to "max" or "min", or choose another metric',
        )
    return metric, better
