"""Runs made by hand: a tiny random BERT with a vocabulary of words, and rows that it can learn."""

from __future__ import annotations

import functools
import itertools
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
# What the tests share lies beside them.
sys.path.insert(0, str(Path(__file__).parent))

import pytest

from workbench.contracts import events
from workbench.core.rundir import RunDir
from workbench.tasks import recipe_union as recipe
from workbench.train.run_log import LogJournal
from workbench.train.stopping import StopRequest

WORDS = tuple(
    "good great fine bad poor awful the a film book was is not very it and but plot food phone".split(" ")  # noqa: SIM905
)

RECIPE = """
name = "tiny"
task = "text-classification"
[model]
name = "{model}"
[data]
train = "{data}/train.jsonl"
validation = "{data}/validation.jsonl"
test = "{data}/test.jsonl"
[train]
epochs = 2
batch_size = 4
gradient_accumulation = 2
learning_rate = 5e-3
[evaluate]
best = "loss"
[launch]
device = "cpu"
"""


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Make a file under the test's directory."""

    def make(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """22,000 random parameters, dropout on, 64 positions."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    path = tmp_path_factory.mktemp("tiny-bert")
    vocabulary = {word: place for place, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(path)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train (75 rows, so that the last step of an epoch is short), validation and test (20 each), as jsonl."""
    path, chance = tmp_path_factory.mktemp("reviews"), random.Random(0)
    for name, rows in (("train", 75), ("validation", 20), ("test", 20)):
        lines = [json.dumps(_review(chance, place % 2)) for place in range(rows)]
        (path / f"{name}.jsonl").write_text("\n".join(lines))
    return path


def _review(chance: random.Random, good: int) -> dict[str, Any]:
    words = [chance.choice(WORDS[6:]) for _ in range(chance.randint(2, 20))]
    words.insert(chance.randrange(len(words)), chance.choice(WORDS[:3] if good else WORDS[3:6]))
    return {"text": " ".join(words), "label": "positive" if good else "negative"}


@dataclass
class Runs:
    """Makes run directories and trains them, in this process or in one of its own."""

    home: Path
    text: str

    def make(self, name: str, *overrides: str, text: str | None = None) -> RunDir:
        parsed = recipe.parse(text or self.text, overrides=list(overrides))
        run = RunDir(self.home / name)
        run.path.mkdir()
        run.recipe.write_text(text or self.text)
        facts = {"v": 1, "id": name, "recipe": parsed.resolved(), "search": [str(self.home)], "digest": parsed.digest()}
        run.facts.write_text(json.dumps(facts))
        return run

    def change(self, run: RunDir, *overrides: str) -> None:
        """Rewrite the resolved recipe, as nobody should."""
        facts = run.read_facts()
        facts["recipe"] = recipe.parse(self.text, overrides=list(overrides)).resolved()
        run.facts.write_text(json.dumps(facts))

    def train(self, run: RunDir, *, stop_at: int | None = None, journal: Any = None) -> Any:
        """One attempt in this process; asked to stop while step `stop_at` is under way."""
        from workbench.train.session import Session

        attempt = max((event.attempt for event in events.read_all(run.events)), default=0) + 1
        log = journal or LogJournal(run.events, attempt=attempt)
        stop = StopAt(run.stop_request, stop_at) if stop_at else StopRequest(run.stop_request)
        try:
            with stop.listening() if isinstance(stop, StopAt) else nullcontext():
                return Session(run, log, stop, attempt=attempt).run()
        finally:
            log.close()

    def start(self, run: RunDir, **environment: str) -> subprocess.Popen[bytes]:
        """`python -m workbench.train` as the supervisor would start it."""
        env = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"} | environment
        return subprocess.Popen([sys.executable, "-m", "workbench.train", str(run.path)], env=env)


class StopAt(StopRequest):
    """Asks for a stop once `step` is under way, the first one too: when the trainer takes up its first batch."""

    def __init__(self, file: Path, step: int) -> None:
        super().__init__(file)
        self._step, self._under_way = step, False

    @property
    def reason(self) -> str | None:
        return "asked to" if self._under_way else None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within this it is told of every batch."""
        from workbench.train.loop import Loop

        step = Loop.step

        def told(loop: Any, number: int, work: Any) -> Any:
            self._under_way = self._under_way or number == self._step
            return step(loop, number, work)

        with patch.object(Loop, "step", told):
            yield


def of_type(run: RunDir, kind: str) -> list[events.Event]:
    return [event for event in events.read_all(run.events) if event.type == kind]


@pytest.fixture
def runs(tmp_path: Path, tiny_bert: Path, reviews: Path) -> Runs:
    return Runs(tmp_path, RECIPE.format(model=tiny_bert, data=reviews))


@pytest.fixture(scope="module")
def make_runs(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path, reviews: Path) -> Runs:
    """The same for all tests of a module, which then share runs."""
    return Runs(tmp_path_factory.mktemp("runs"), RECIPE.format(model=tiny_bert, data=reviews))


@pytest.fixture(scope="session")
def logged() -> Callable[[RunDir, str], list[events.Event]]:
    """`logged(run, type)`: the events of a type, in order."""
    return of_type


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_ACCEPT", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@dataclass(frozen=True)
class Pass:
    """One forward pass: the model, whether it was learning, and the tokens it was given, [rows, longest]."""

    model: Any
    learning: bool
    ids: Any


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Callable[[type], list[Pass]]:
    """`passes(kind)`: from now on every forward pass of models of that class is put into the list."""

    def watch(kind: Any) -> list[Pass]:
        seen: list[Pass] = []
        forward = kind.forward

        @functools.wraps(forward)
        def watched(self: Any, input_ids: Any = None, **rest: Any) -> Any:
            seen.append(Pass(self, self.training, input_ids))
            return forward(self, input_ids=input_ids, **rest)

        monkeypatch.setattr(kind, "forward", watched)
        return seen

    return watch


@pytest.fixture
def fails_at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`fails_at(n, …)`: memory runs out in these passes of the classifier while it learns, the first being 1."""
    import torch
    from transformers import BertForSequenceClassification as Classifier

    def fail(*calls: int) -> None:
        forward, count = Classifier.forward, itertools.count(1)

        @functools.wraps(forward)
        def failing(self: Any, input_ids: Any = None, **rest: Any) -> Any:
            if self.training and next(count) in calls:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return forward(self, input_ids=input_ids, **rest)

        monkeypatch.setattr(Classifier, "forward", failing)

    return fail


@pytest.fixture
def stepping() -> Iterator[Callable[[Callable[[Any], None]], None]]:
    """`stepping(look)`: from now on `look(optimizer)` is called before every step of any of torch's optimizers."""
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    with ExitStack() as hooks:

        def watch(look: Callable[[Any], None]) -> None:
            handle = register_optimizer_step_pre_hook(lambda optimizer, args, options: look(optimizer))
            hooks.callback(handle.remove)

        yield watch


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`scripted("accuracy", 0.5, …)`: evaluations of validation find these values from now on, one by one."""
    from workbench.tasks.text_classification import task

    def script(metric: str, *values: float) -> None:
        plain, left = task.TASK, iter(values)

        def evaluator(prepared: Any, split: str) -> Any:
            made = plain.evaluator(prepared, split)
            return Scripted(made, metric, left) if split == "validation" else made

        monkeypatch.setattr(task, "TASK", replace(plain, evaluator=evaluator))

    return script


class Scripted:
    """An evaluator whose result has the next of the values for one metric."""

    def __init__(self, evaluator: Any, metric: str, left: Iterator[float]) -> None:
        self._evaluator, self._metric, self._left = evaluator, metric, left

    def __getattr__(self, name: str) -> Any:
        return getattr(self._evaluator, name)

    def result(self, *parts: Any, **options: Any) -> Any:
        found = self._evaluator.result(*parts, **options)
        return replace(found, scalars=found.scalars | {self._metric: next(self._left)})
