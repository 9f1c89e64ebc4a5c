"""text-classification: one label a text or a pair of texts, any number of labels, or numbers to foresee.

Rows need a text, perhaps a second one, and labels (`workbench.data.tables.problem` says of which kind). The head is
transformers' `…ForSequenceClassification`; the losses are in `text_losses`, the judges in `text_judges`, and
`text_classifier` asks the trained model. What an answer needs beside the weights is in the model's config: names,
`thresholds` of several labels, `target_mean` and `target_std` of numbers, and `text_pairs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.core.errors import RecipeError
from workbench.models import weights
from workbench.recipe.schema import Problem
from workbench.tasks.interface import Judge, Loss, Prepared
from workbench.tasks.shared import text_pairs
from workbench.tasks.shared.encoding import TokenIds
from workbench.tasks.shared.kept_tokens import KeptTokens, kept
from workbench.tasks.shared.rows import Collator, Padding, TokenRows
from workbench.tasks.text_classification import loss as text_losses
from workbench.tasks.text_classification import validation
from workbench.tasks.text_classification.evaluate import Judged, NumbersJudge, SeveralJudge, SingleJudge
from workbench.tasks.text_classification.predict import THRESHOLD, TextClassifier
from workbench.tasks.text_classification.spec import SPEC, TextClassificationRecipe

if TYPE_CHECKING:
    from workbench.data.tables.splits import Splits
    from workbench.data.tables.targets import Scale
    from workbench.models.locate import Located

_LENGTH: Final = SPEC.lengths[0]
_PROBLEM_TYPE: Final[dict[Problem, str]] = {
    "single-label": "single_label_classification",
    "multi-label": "multi_label_classification",
    "regression": "regression",
}


@dataclass(frozen=True)
class Learnt:
    """What the rows of train say is to be learnt, and how. `scale` is that of numbers."""

    problem: Problem
    objective: text_losses.Objective
    scale: Scale | None = None


class TextClassification:
    """The task, for one recipe."""

    name = "text-classification"
    draws = False

    def __init__(self, recipe: TextClassificationRecipe) -> None:
        self.recipe = recipe
        self._learnt: Learnt | None = None
        self._pairs = self._typed = False

    @property
    def learnt(self) -> Learnt:
        assert self._learnt is not None, "rows are prepared before they are learnt from"
        return self._learnt

    def tokenizer(self, splits: Splits, search: Sequence[Path]) -> Any:
        texts = (str(text) for text in splits.texts("train"))
        return weights.load_tokenizer(self.recipe.model, search, texts)

    def config(self, located: Located, tokenizer: Any) -> Any:
        found = weights.read_config(self.recipe.model, located, weights.vocabulary(located, tokenizer, "pad_token_id"))
        self._typed = text_pairs.has_segments(found)
        return found

    def prepare(self, splits: Splits, tokenizer: Any, longest: int | None) -> Prepared:
        from workbench.data.tables import labels, problem

        data = self.recipe.data
        kind = problem.of(splits, data)
        _refuse(validation.problems_of_kind(self.recipe, kind))
        self._pairs = splits.columns.of("text_pair") is not None
        length = _LENGTH.chosen(self.recipe.data.max_length, longest)
        text_pairs.check_room(tokenizer, length, pairs=self._pairs)
        names = labels.classes(splits, data)
        _refuse(validation.class_problems(self.recipe, kind, names))
        learnt = {name: labels.encode(splits, name, names, data) for name in splits.tables()}
        self._learnt = self._how(kind, learnt["train"], names, str(splits.origins["train"]))
        ready, counts = {}, {}
        for name in splits.tables():
            ready[name], counts[name] = self._split(splits, name, tokenizer, length, learnt[name])
            counts[name] |= _told(kind, learnt[name], names)
        notes = [*splits.notes, *self._notes(tokenizer, names)]
        return Prepared(ready, names, length, counts, notes, kind)

    def _how(self, kind: Problem, train: NDArray[Any], names: list[str], where: str) -> Learnt:
        from workbench.data.tables.targets import Scale

        if kind == "regression":
            return Learnt(kind, text_losses.SquaredError(), Scale.of(train, names, where))
        if kind == "single-label":
            return Learnt(kind, text_losses.single(self.recipe.train, train, names))
        return Learnt(kind, text_losses.several(self.recipe.train, train, names))

    def _split(
        self, splits: Splits, name: str, tokenizer: Any, length: int, learnt: NDArray[Any]
    ) -> tuple[TokenRows, dict[str, Any]]:
        read = self._read(splits, name, tokenizer, length)
        source = np.asarray(splits.tables()[name].column("__row__"))
        scale = self.learnt.scale
        values = learnt if scale is None else scale.put(learnt)
        rows = TokenRows(read.ids, read.bounds, source, values, segments=read.segments)
        counts = {
            "rows": len(rows),
            "dropped": splits.dropped.get(name, 0),
            "truncated": read.cut,
            "tokens": rows.tokens,
        }
        return rows, counts

    def _read(self, splits: Splits, name: str, tokenizer: Any, length: int) -> KeptTokens:
        typed = self._typed

        def make() -> Iterator[TokenIds]:
            others = splits.texts(name, "text_pair") if self._pairs else None
            return text_pairs.read(tokenizer, splits.texts(name, "text"), others, length, typed=typed)

        settings = {"task": self.name, "max_length": length, "typed": typed}
        return kept(splits, name, ("text", "text_pair") if self._pairs else ("text",), tokenizer, settings, make)

    def _notes(self, tokenizer: Any, names: list[str]) -> Iterator[str]:
        if self._pairs:
            yield from text_pairs.said_of(tokenizer)
        balance = getattr(self.learnt.objective, "weights", None)
        if balance is not None:
            told = (f"{name} {weight:.4g}" for name, weight in zip(names[:20], balance, strict=False))
            yield f"class weights: {', '.join(told)}{', …' if len(names) > 20 else ''}"

    def model(self, located: Located, tokenizer: Any, prepared: Prepared) -> tuple[Any, list[str]]:
        from transformers import AutoModelForSequenceClassification

        names = dict(enumerate(prepared.labels))
        config = {
            "num_labels": len(names),
            "id2label": names,
            "label2id": {label: place for place, label in names.items()},
            "problem_type": _PROBLEM_TYPE[self.learnt.problem],
        }
        config |= weights.vocabulary(located, tokenizer, "pad_token_id")
        model, new = weights.load_model(AutoModelForSequenceClassification, self.recipe.model, located, config)
        model.config.pad_token_id = tokenizer.pad_token_id
        for name, value in self._kept(len(names)).items():
            setattr(model.config, name, value)
        return model, new

    def _kept(self, several: int) -> dict[str, Any]:
        """What answers need to know and no config of transformers has a field for."""
        kept: dict[str, Any] = {"text_pairs": self._pairs}
        if self.learnt.problem == "multi-label":
            asked = self.recipe.evaluate.thresholds
            first = THRESHOLD if asked == "best" else asked
            kept["thresholds"] = list(first) if isinstance(first, list) else [float(first)] * several
        if self.learnt.scale is not None:
            kept["target_mean"] = self.learnt.scale.mean.tolist()
            kept["target_std"] = self.learnt.scale.std.tolist()
        return kept

    def collator(self, tokenizer: Any, prepared: Prepared) -> Collator:
        fixed = prepared.max_length if self.recipe.train.padding == "max_length" else None
        return Padding(tokenizer.pad_token_id, tokenizer.padding_side, fixed)

    def loss(self) -> Loss:
        return text_losses.StepLoss(self.learnt.objective)

    def judge(self, split: str, splits: Splits, prepared: Prepared) -> Judge:
        judged = Judged(split, splits, prepared, self.learnt.objective, self.recipe.data)
        if self.learnt.scale is not None:
            return NumbersJudge(judged, self.learnt.scale)
        if self.learnt.problem == "multi-label":
            return SeveralJudge(judged, self.recipe.evaluate.thresholds)
        return SingleJudge(judged)

    def samples(self, model: Any, tokenizer: Any) -> Iterator[tuple[str, str]]:
        return iter(())

    @classmethod
    def load(cls, model_dir: Path, *, device: str | None = None, max_length: int | None = None) -> TextClassifier:
        return TextClassifier(model_dir, device=device, max_length=max_length)


def _refuse(problems: list[str]) -> None:
    if problems:
        raise RecipeError(problems)


def _told(kind: Problem, learnt: NDArray[Any], names: list[str]) -> dict[str, Any]:
    """What the `data` event says of the labels of a split."""
    from workbench.data.tables import labels, targets

    if kind == "regression":
        return {"targets": {name: targets.summary(learnt[:, place]) for place, name in enumerate(names)}}
    told: dict[str, Any] = {"labels": labels.tally(learnt, names)}
    if kind == "multi-label":
        told["unlabelled"] = int((learnt.sum(axis=1) == 0).sum())
    return told
