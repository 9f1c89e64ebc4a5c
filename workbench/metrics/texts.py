"""Texts that were written, against those that should have been: ROUGE, BLEU, chrF, exact match and length.

ROUGE (Lin 2004) is rouge-score's F-measure without stemming, in the mean over rows; BLEU (Papineni et al. 2002) and
chrF (Popović 2015) are sacrebleu's, over the corpus, 0 to 100 as is usual; the others are 0 to 1. `rougeLsum` takes
lines for sentences. Texts in Chinese or Japanese are read by the character, since they have no spaces; of texts in
other scripts than Latin rouge-score's own tokens would be none at all, so that there words are runs of letters,
digits and marks of any script.
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import datasets
import evaluate
import numpy as np

from workbench.metrics import intervals
from workbench.metrics.base import InMemoryMetric, Measured, mean, outcome
from workbench.metrics.confusion import ratio
from workbench.metrics.intervals import Found

_ROUGE: Final = ("rouge1", "rouge2", "rougeL")
_ROUGES: Final = (*_ROUGE, "rougeLsum")
_KANA: Final = re.compile("[\u3040-\u30ff]")
# Kana, Han (with its extensions), and what is compatible with Han.
_UNSPACED: Final = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LATIN: Final = re.compile("[A-Za-z\u00c0-\u024f]")
_RUNS: Final = re.compile(f"{_UNSPACED.pattern}|[^\\W_]+?(?={_UNSPACED.pattern})|[^\\W_]+")
_WORDS: Final = re.compile(r"[^\W_]+(?:[\u0300-\u036f\u0900-\u109f]+[^\W_]*)*")
_PLAIN: Final = re.compile(r"[a-z0-9]+")
_CHINESE: Final = frozenset(("zh", "zho", "cmn", "yue"))
_JAPANESE: Final = frozenset(("ja", "jpn"))
_FETCHED: Final = ("flores101", "flores200", "spm")


class Texts(InMemoryMetric):
    """`compute(predictions=[text], references=[text])`.

    `tokenize` is sacrebleu's name of a tokenizer for BLEU, `language` a code such as zh, zh_CN or jpn_Jpan; what is
    not given is told by the references. Gives `{"scalars", "undefined", "report": {tokenize, rouge_tokens,
    …}}`; the report has a `tokenize_note` where a better tokenizer is not installed. Rows whose
    reference has no words have no ROUGE: they are counted as `empty_references` and left out of its mean. Raises
    ValueError on no rows at all, and for a tokenizer that would be fetched from the network.
    """

    WHOLE: ClassVar[tuple[str, ...]] = ()

    def __init__(self, tokenize: str | None = None, language: str | None = None, **options: object) -> None:
        if tokenize in _FETCHED:
            raise ValueError(f"the tokenizer {tokenize} is fetched from the network")
        self.tokenize, self.language = tokenize, language
        super().__init__(**options)

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=str(__doc__),
            citation="",
            inputs_description=str(type(self).__doc__),
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(self, predictions: Sequence[str], references: Sequence[str]) -> Measured:
        written, gold = list(predictions), list(references)
        if not gold:
            raise ValueError("there are no texts to evaluate")
        reading = Reading.of(gold, self.language, self.tokenize)
        corpus, report, spans = _corpus(written, gold, reading.tokenize)
        rouge = _rouge(written, gold, reading.tokens)
        same = [float(one.strip() == other.strip()) for one, other in zip(written, gold, strict=True)]
        values = _means(rouge) | corpus | {"exact_match": sum(same) / len(gold)} | _lengths(written, gold, reading)
        report |= reading.report() | {
            "empty_predictions": sum(not text.strip() for text in written),
            "empty_references": len(gold) - len(rouge),
        }
        return outcome(values, report, spans | _intervals(rouge, same) | _of_lengths(written, gold, reading))


@dataclass(frozen=True)
class Reading:
    """How texts are taken apart: sacrebleu's tokenizer for BLEU, and the tokens of ROUGE and of lengths."""

    tokenize: str
    kind: str
    tokens: Callable[[str], list[str]]
    note: str | None = None

    @classmethod
    def of(cls, texts: Sequence[str], language: str | None, tokenize: str | None) -> Reading:
        language = re.split("[-_]", language.lower())[0] if language else _language(texts)
        note = None
        if language in _JAPANESE:
            chosen = "ja-mecab" if importlib.util.find_spec("MeCab") else "char"
            note = "Japanese is read by the character: MeCab is not installed" if chosen == "char" else None
        else:
            chosen = "zh" if language in _CHINESE else "13a"
        if language in _CHINESE | _JAPANESE:
            kind, tokens = "characters", characters
        elif _share(_LATIN, texts) > 0.5:
            kind, tokens = "latin", latin
        else:
            kind, tokens = "words", words
        return cls(tokenize or chosen, kind, tokens, None if tokenize else note)

    def report(self) -> dict[str, str]:
        said = {"tokenize": self.tokenize, "rouge_tokens": self.kind, "length_in": self._unit}
        return said | ({"tokenize_note": self.note} if self.note else {})

    @property
    def _unit(self) -> str:
        return "characters" if self.kind == "characters" else "words"

    def length(self, text: str) -> int:
        """In words, or in characters without white space where there are no words."""
        return len("".join(text.split())) if self.kind == "characters" else len(text.split())


def _language(texts: Sequence[str]) -> str | None:
    if _share(_UNSPACED, texts) <= 0.5:
        return None
    return "ja" if _share(_KANA, texts) > 0.1 else "zh"


def _share(pattern: re.Pattern[str], texts: Sequence[str]) -> float:
    """The part of the letters that are of a script."""
    letters = sum(sum(map(str.isalpha, text)) for text in texts)
    return sum(len(pattern.findall(text)) for text in texts) / letters if letters else 0.0


def latin(text: str) -> list[str]:
    """rouge-score's own tokens: runs of a to z and 0 to 9, in lower case."""
    return _PLAIN.findall(text.lower())


def words(text: str) -> list[str]:
    """Runs of letters and digits of any script, in lower case."""
    return _WORDS.findall(text.lower())


def characters(text: str) -> list[str]:
    """Each character of a script without spaces, and runs of other letters and digits, in lower case."""
    return _RUNS.findall(text.lower())


@dataclass(frozen=True)
class _Tokenizer:
    """What rouge-score asks of a tokenizer."""

    tokenize: Callable[[str], list[str]]


def _rouge(written: Sequence[str], gold: Sequence[str], tokens: Callable[[str], list[str]]) -> list[tuple[float, ...]]:
    """The F-measures `_ROUGES` of each row that has a reference."""
    from rouge_score.rouge_scorer import RougeScorer

    scorers = {kinds: RougeScorer(kinds, tokenizer=_Tokenizer(tokens)) for kinds in (_ROUGE, ("rougeLsum",))}
    rows = []
    for text, reference in zip(written, gold, strict=True):
        if tokens(reference):
            found = scorers[_ROUGE].score(reference, text)
            # Of texts of one line each, both longest common subsequences are the same.
            lined = "\n" in text or "\n" in reference
            found["rougeLsum"] = (
                scorers[("rougeLsum",)].score(reference, text)["rougeLsum"] if lined else found["rougeL"]
            )
            rows.append(tuple(found[name].fmeasure for name in _ROUGES))
    return rows


def _means(rouge: Sequence[tuple[float, ...]]) -> dict[str, float | None]:
    return {name: ratio(math.fsum(row[n] for row in rouge), len(rouge)) for n, name in enumerate(_ROUGES)}


def _intervals(rouge: Sequence[tuple[float, ...]], same: Sequence[float]) -> dict[str, Found]:
    found = intervals.of_rows([(1.0, value) for value in same], {"exact_match": intervals.Share(1, 0)})
    if rouge:
        measures = {name: intervals.Share(n, 0) for n, name in enumerate(_ROUGES, 1)}
        found |= intervals.of_rows([(1.0, *row) for row in rouge], measures)
    return found


def _corpus(
    written: Sequence[str], gold: Sequence[str], tokenize: str
) -> tuple[dict[str, float | None], dict[str, object], dict[str, Found]]:
    """BLEU and chrF, for the report what sacrebleu signs them with, and their intervals.

    Neither has a value where all references are empty, nor BLEU where none is long enough for a run of four tokens.
    """
    if not any(map(str.strip, gold)):
        return {"bleu": None, "chrf": None}, {}, {}
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    bleu, chrf = BLEU(tokenize=tokenize), CHRF()
    # Both are called even where BLEU has no value, since a signature wants a score first.
    found = {"bleu": _measured(bleu, written, gold), "chrf": _measured(chrf, written, gold)}
    if not any(len(bleu.tokenizer(text).split()) >= bleu.max_ngram_order for text in gold):
        found["bleu"] = None, {}
    report: dict[str, object] = {
        "bleu_signature": str(bleu.get_signature()),
        "chrf_signature": str(chrf.get_signature()),
    }
    spans = {name: span["score"] for name, (_, span) in found.items() if span}
    return {name: score for name, (score, _) in found.items()}, report, spans


def _measured(metric: Any, written: Sequence[str], gold: Sequence[str]) -> tuple[float | None, dict[str, Found]]:
    """The corpus' score of a metric of sacrebleu, and its interval.

    The rows are taken apart once. These are the steps of `corpus_score` and of sacrebleu's own bootstrap, which would
    hold every draw of every row in memory at once.
    """
    rows = metric._extract_corpus_statistics(written, [gold])

    def score(sums: intervals.Values) -> intervals.Values:
        return np.array([metric._compute_score_from_stats(row.tolist()).score for row in np.atleast_2d(sums)])

    return float(metric._aggregate_and_compute(rows).score), intervals.of_rows(rows, {"score": score})


def _of_lengths(written: Sequence[str], gold: Sequence[str], reading: Reading) -> dict[str, Found]:
    rows = [(reading.length(ours), 1.0, reading.length(theirs)) for ours, theirs in zip(written, gold, strict=True)]
    measures = {"length": mean, "length_ratio": lambda sums: intervals.ratio(sums[:, 0], sums[:, 2])}
    return intervals.of_rows(rows, measures)


def _lengths(written: Sequence[str], gold: Sequence[str], reading: Reading) -> dict[str, float | None]:
    ours, theirs = sum(map(reading.length, written)), sum(map(reading.length, gold))
    return {"length": ours / len(written), "length_ratio": ratio(ours, theirs)}
