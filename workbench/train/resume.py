"""Going on from a checkpoint: is it still the same run?

What a run is made of is written into each checkpoint. When it is resumed, whatever differs is named, and the run goes
on only where every kind of difference was accepted (`WORKBENCH_ACCEPT`, kinds with commas between).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench.core.errors import BadInput
from workbench.core.flatten import flatten
from workbench.core.text import clean
from workbench.recipe import Recipe
from workbench.tasks import recipe_union
from workbench.train.best import Standing
from workbench.train.ready import Ready

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

STATE: Final = "state.json"
_NOT_TRAINING: Final = {
    "name", "tags", "notes", "generate.prompts", "launch.stall_minutes", "train.keep_checkpoints", "train.cuda_graphs"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """`kind` is what has to be accepted: recipe, data, tokenizer, batch or world."""

    kind: str
    sentence: str


@dataclass(frozen=True)
class Fingerprint:
    """What must be equal for a resumed run to be the same run. `batch` is rows to one optimizer step."""

    recipe: Mapping[str, object]
    data: dict[str, str]
    tokenizer: str
    batch: int
    world: int

    def differences(self, now: Fingerprint) -> list[Difference]:
        """How `now` is not what this was."""
        found = [Difference("recipe", sentence) for sentence in _recipe_changes(self.recipe, now.recipe)]
        for split in sorted(self.data.keys() | now.data.keys()):
            if self.data.get(split) != now.data.get(split):
                found.append(Difference("data", f"the rows of {split} are not the ones the run was trained with"))
        if self.tokenizer != now.tokenizer:
            found.append(Difference("tokenizer", "the tokenizer is not the one the run was trained with"))
        if self.batch != now.batch:
            found.append(Difference("batch", f"a step took {self.batch} rows and would now take {now.batch}"))
        if self.world != now.world:
            found.append(Difference("world", f"the run had {self.world} processes and would now have {now.world}"))
        return found


def _recipe_changes(then: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    # A field that came since stood at its default then.
    old, new = flatten(_trained_by(recipe_union.stored(then))), flatten(now)
    changed = [key for key in old.keys() | new.keys() if old.get(key) != new.get(key) and key not in _NOT_TRAINING]
    return [clean(f"{key} was {_shown(old.get(key))} and is now {_shown(new.get(key))}") for key in sorted(changed)]


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:80]


def check(differences: Collection[Difference], allowed: Collection[str]) -> None:
    """Raises BadInput that names every difference not accepted."""
    if "all" in allowed:
        return
    refused = [difference for difference in differences if difference.kind not in allowed]
    if refused:
        kinds = ",".join(sorted({difference.kind for difference in refused}))
        raise BadInput(
            "this is not the run that was stopped: " + "; ".join(difference.sentence for difference in refused),
            hint=f"undo the change, or accept it with --accept {kinds}",
        )


def fingerprint(ready: Ready, world: int) -> Fingerprint:
    """What this attempt is made of."""
    train = ready.recipe.train
    return Fingerprint(
        recipe=_trained_by(ready.recipe),
        data={name: rows.digest() for name, rows in ready.prepared.rows.items()},
        tokenizer=tokenizer_digest(ready.prepared.tokenizer),
        batch=train.batch_size * train.gradient_accumulation * world,
        world=world,
    )


def _trained_by(recipe: Recipe) -> dict[str, object]:
    """The fields of a recipe that say what is trained, not where."""
    return {key: value for key, value in recipe.resolved().items() if key != "launch"}


def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """16 hex digits, equal where the tokenizer does the same."""
    inner = getattr(tokenizer, "backend_tokenizer", None)
    body = inner.to_str() if inner is not None else repr(sorted(tokenizer.get_vocab().items()))
    return hashlib.sha256(body.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Progress:
    """What our side of a checkpoint remembers, beside weights, optimizer, schedule and generators.

    `evaluation_due`: the evaluation due at this step was broken off, and comes first when the run goes on. `pieces` is
    how many parts a batch is computed in, more than one where memory ran out.
    """

    step: int
    tokens: int
    standing: Standing
    fingerprint: Fingerprint
    evaluation_due: bool = False
    pieces: int = 1

    def write(self, path: Path) -> None:
        record = {
            "v": 1,
            "step": self.step,
            "tokens": self.tokens,
            "standing": self.standing.as_json(),
            "fingerprint": asdict(self.fingerprint),
            "unjudged": self.evaluation_due,
            "pieces": self.pieces,
        }
        (path / STATE).write_text(json.dumps(record, ensure_ascii=False), "utf-8")

    @classmethod
    def read(cls, path: Path) -> Progress:
        """Raises OSError, ValueError, KeyError or TypeError where the checkpoint is not ours."""
        record: Mapping[str, Any] = json.loads((path / STATE).read_text("utf-8"))
        return cls(
            step=int(record["step"]),
            tokens=int(record["tokens"]),
            standing=Standing.parse(record["standing"]),
            fingerprint=Fingerprint(**record["fingerprint"]),
            evaluation_due=bool(record["unjudged"]),
            pieces=int(record.get("pieces", 1)),
        )
