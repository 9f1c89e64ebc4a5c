"""Opening what a pane names (a source, a recipe, a run) and keeping it open while it stays the same on disk."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.contracts.lab.data_requests import RowPassage, RowsOf, TextTargets
from workbench.core.errors import DataError
from workbench.core.home import Home
from workbench.core.paths import expanded
from workbench.data.tables import labels, sources, splits
from workbench.data.tables.problem import Labelled
from workbench.lab import places
from workbench.lab.paged import PagedRows
from workbench.lab.row_pages import TableRows, label_names, recognise
from workbench.models.locate import BPE
from workbench.tasks.experiment import Experiment
from workbench.tasks.loading import splits_for
from workbench.tasks.shared.row_texts import RowTexts
from workbench.tasks.spec import load, spec_of

_KEPT = 3
LARGE = 64 << 20  # bytes; beyond it a split is paged through rather than read
AnyRows = TableRows | PagedRows
_Stamp = tuple[tuple[str, int, int], ...]


@dataclass(eq=False)
class Opening:
    """Splits, each read when it is first looked at. `max_length` and `tokenizer` are the recipe's, if any."""

    name: str
    readers: Mapping[str, Callable[[], AnyRows]]
    files: Sequence[Path]
    notes: list[str] = field(default_factory=list)
    max_length: int | None = None
    tokenizer: str | None = None
    _rows: dict[str, AnyRows] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def rows(self, split: str) -> AnyRows:
        """Raises DataError."""
        if split not in self.readers:
            raise DataError(f"no split {split!r}", where=self.name, hint=f"it has {', '.join(self.readers)}")
        with self._lock:
            if split not in self._rows:
                self._rows[split] = self.readers[split]()
            return self._rows[split]


class Openings:
    """The last few things opened. Safe from several threads."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._kept: OrderedDict[RowsOf, tuple[_Stamp, Opening]] = OrderedDict()

    def open(self, wanted: RowsOf) -> Opening:
        """Raises BadInput."""
        with self._lock:
            if wanted not in self._kept or self._kept[wanted][0] != _stamp(self._kept[wanted][1].files):
                opening = self._open(wanted)
                self._kept[wanted] = (_stamp(opening.files), opening)
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(wanted)
            return self._kept[wanted][1]

    def _open(self, wanted: RowsOf) -> Opening:
        if wanted.kind == "source":
            opening = of_source(sources.open_named(wanted.name, (Path.cwd(),)))
            opening.name = wanted.name
            return opening
        if wanted.kind == "recipe":
            return of_experiment(Experiment.read(expanded(wanted.name)), also=(expanded(wanted.name),))
        return of_experiment(places.of_run(self._home, wanted.name))


def of_source(source: sources.Source, notes: Sequence[str] = ()) -> Opening:
    """A source by itself: text and label are recognised, or there are none."""
    files = [file for part in source.parts.values() for file in part.files]
    opening = Opening(source.name, {}, files, list(notes))
    opening.readers = {name: functools.partial(_raw, part, opening.notes) for name, part in source.parts.items()}
    return opening


def _raw(part: sources.SplitFiles, notes: list[str]) -> AnyRows:
    if sum(file.stat().st_size for file in part.files if file.exists()) > LARGE:
        return PagedRows(part)
    try:
        table = part.table()
    except DataError as error:
        rows = PagedRows(part) if part.files else None
        if rows is None or not rows.names:
            raise
        # The file is there to be looked at all the same; what is wrong with it is the first thing to say.
        notes.insert(0, error.sentence)
        return rows
    notes += [note for note in part.notes if note not in notes]
    text, label = recognise(table)
    return TableRows(table, text, label, label_names(table, label))


def of_experiment(experiment: Experiment, also: Sequence[Path] = ()) -> Opening:
    """The rows a recipe trains, validates and tests on, as it shuffles, slices and holds them out.

    Where they cannot be made so, the bare source, with the reason among the notes: it is there that one looks.
    """
    data = experiment.recipe.data
    try:
        made = splits_for(experiment.recipe, experiment.search)
    except DataError as error:
        if data.source is None:
            raise
        opening = of_source(sources.open_source(data, experiment.search), [error.sentence])
    else:
        texts: RowTexts[Any] = load(spec_of(experiment.recipe.task).row_texts)(made, data)
        readers = {name: functools.partial(_made, made, name, experiment, texts) for name in made.tables()}
        files = [file for place in made.origins.values() for file in place.source.part(place.split).files]
        opening = Opening(experiment.recipe.name, readers, files, list(made.notes))
    opening.name = experiment.recipe.name
    opening.files = [*opening.files, *also]
    opening.max_length = data.longest
    model = experiment.recipe.model
    opening.tokenizer = None if model.tokenizer == BPE else model.tokenizer or model.name
    return opening


def _made(made: splits.Splits, name: str, experiment: Experiment, texts: RowTexts[Any]) -> TableRows:
    table = made.tables()[name]
    try:
        data = experiment.recipe.data
        named = labels.names(made, name, data) if made.label and isinstance(data, Labelled) else None
    except DataError:
        named = label_names(table, made.label)

    def passage(at: int) -> RowPassage:
        found = texts.of(name, at)
        spans = tuple((sequence, start, end, label) for sequence, start, end, label in found.spans)
        return RowPassage(found.text, found.pair, TextTargets(spans, found.words, found.spaced, found.rest))

    reading = functools.partial(made.texts, name)
    return TableRows(table, made.text, made.label, named, made.dropped.get(name, 0), passage, reading)


def _stamp(files: Sequence[Path]) -> _Stamp:
    found = []
    for file in files:
        try:
            state = file.stat()
        except OSError:
            found.append((str(file), 0, 0))
        else:
            found.append((str(file), state.st_mtime_ns, state.st_size))
    return tuple(found)
