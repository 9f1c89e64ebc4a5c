"""What one would write without workbench: a plain Trainer script for each task, after transformers' own examples.

Each reads `train.jsonl` of a place, makes features with `datasets.map`, and trains an epoch with the collator that goes
with the task. Its settings are those of the example, or those of a run beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from training_race import Contestant, Lap


@dataclass(frozen=True)
class Script:
    """What scripts have in common.

    `same` are the settings of a run: batches of like lengths, padded to the longest row; without it those of the
    example. `length` is that of a row or block at most, `precision` that of the run.
    """

    task: str
    place: Path
    name: str
    model: str
    precision: str
    length: int = 512
    batch: int = 8
    same: bool = True
    padded: bool = False  # every row to `length` (targets to 128), as the tutorial has it; blocks are always full

    @property
    def judged(self) -> bool:
        return (self.place / "validation.jsonl").exists()

    def rows(self) -> Any:
        from datasets import load_dataset

        names = ("train", "validation") if self.judged else ("train",)
        files = {name: str(self.place / f"{name}.jsonl") for name in names}
        return load_dataset("json", data_files=files, cache_dir=str(self.place / f"{self.name}-cache"))

    def map(self, rows: Any, features: Callable[[dict], dict]) -> Any:
        return rows.map(features, batched=True, remove_columns=rows["train"].column_names)

    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.model)

    def trainer(self, ready: Any, **parts: Any) -> Any:
        from transformers import PrinterCallback, Trainer

        made = Trainer(
            args=self.arguments(), train_dataset=ready["train"], eval_dataset=ready.get("validation"), **parts
        )
        made.remove_callback(PrinterCallback)
        return made

    def arguments(self) -> Any:
        from transformers import TrainingArguments

        return TrainingArguments(
            output_dir=str(self.place / self.name),
            num_train_epochs=1,
            per_device_train_batch_size=self.batch,
            per_device_eval_batch_size=self.batch,
            learning_rate=3e-4,
            bf16=self.precision == "bf16",
            train_sampling_strategy="group_by_length" if self.same else "random",
            eval_strategy="epoch" if self.judged else "no",
            save_strategy="epoch",
            logging_steps=10,
            use_cpu=True,
            dataloader_pin_memory=False,
            disable_tqdm=True,
            report_to="none",
        )


def script(settings: Script) -> Contestant:
    """The script of the settings' task, from its rows to its weights."""

    def run(lap: Lap) -> None:
        trainer = task_script(settings)
        trainer.train()
        trainer.save_model()
        with lap.whole.paused():
            lap.tokens = _tokens(trainer.train_dataset)
            if settings.judged:
                lap.score = trainer.state.log_history[-2]["eval_accuracy"]

    return run


def _tokens(rows: Any) -> int:
    """Those that are no padding."""
    if "attention_mask" in rows.column_names:
        return sum(map(sum, rows["attention_mask"]))
    return sum(map(len, rows["input_ids"]))


def text_classification(script: Script) -> Any:
    """After run_glue.py, padded to the longest of a batch."""
    from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding

    rows, tokenizer = script.rows(), script.tokenizer()
    labels = sorted(set(rows["train"]["label"]))

    def features(batch: dict) -> dict:
        padding = "max_length" if script.padded else False
        made = tokenizer(batch["text"], truncation=True, max_length=script.length, padding=padding)
        return made | {"labels": [labels.index(label) for label in batch["label"]]}

    return script.trainer(
        script.map(rows, features),
        model=AutoModelForSequenceClassification.from_pretrained(script.model, num_labels=len(labels)),
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=lambda judged: {"accuracy": float((np.argmax(judged[0], -1) == judged[1]).mean())},
    )


def token_classification(script: Script) -> Any:
    """After run_ner.py: the first piece of a word carries its tag."""
    from transformers import AutoModelForTokenClassification, DataCollatorForTokenClassification

    rows, tokenizer = script.rows(), script.tokenizer()
    labels = sorted(set(chain.from_iterable(rows["train"]["tags"])))
    ids = {label: place for place, label in enumerate(labels)}

    def features(batch: dict) -> dict:
        made = tokenizer(batch["tokens"], truncation=True, max_length=script.length, is_split_into_words=True)
        made["labels"] = [aligned(made.word_ids(place), tags) for place, tags in enumerate(batch["tags"])]
        return made

    def aligned(words: list[int | None], tags: list[str]) -> list[int]:
        before = (None, *words)
        pairs = zip(words, before, strict=False)
        return [-100 if word is None or word == last else ids[tags[word]] for word, last in pairs]

    return script.trainer(
        script.map(rows, features),
        model=AutoModelForTokenClassification.from_pretrained(script.model, num_labels=len(labels)),
        processing_class=tokenizer,
        data_collator=DataCollatorForTokenClassification(tokenizer),
    )


def question_answering(script: Script) -> Any:
    """After run_qa.py: windows padded to their full length, as is the example's default; `same`, to the longest."""
    from transformers import AutoModelForQuestionAnswering, DataCollatorWithPadding, default_data_collator

    rows, tokenizer = script.rows(), script.tokenizer()

    def features(batch: dict) -> dict:
        made = tokenizer(
            [question.lstrip() for question in batch["question"]],
            batch["context"],
            truncation="only_second",
            max_length=script.length,
            stride=script.length // 3,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            padding=False if script.same else "max_length",
        )
        samples, offsets = made.pop("overflow_to_sample_mapping"), made.pop("offset_mapping")
        places = [
            answered(made["input_ids"][at], made.sequence_ids(at), offsets[at], batch["answers"][samples[at]])
            for at in range(len(samples))
        ]
        made["start_positions"], made["end_positions"] = map(list, zip(*places, strict=True))
        return made

    def answered(ids: list, sequence: list, offsets: list, answers: dict) -> tuple[int, int]:
        start, nowhere = answers["answer_start"][0], ids.index(tokenizer.cls_token_id)
        end = start + len(answers["text"][0])
        first, last = sequence.index(1), len(sequence) - 1 - sequence[::-1].index(1)
        if not (offsets[first][0] <= start and offsets[last][1] >= end):
            return nowhere, nowhere
        while first < len(offsets) and offsets[first][0] <= start:
            first += 1
        while offsets[last][1] >= end:
            last -= 1
        return first - 1, last + 1

    return script.trainer(
        script.map(rows, features),
        model=AutoModelForQuestionAnswering.from_pretrained(script.model),
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer) if script.same else default_data_collator,
    )


def seq2seq(script: Script) -> Any:
    """After run_summarization.py; `padded`, as with its `--pad_to_max_length`."""
    from transformers import AutoModelForSeq2SeqLM, DataCollatorForSeq2Seq

    rows, tokenizer = script.rows(), script.tokenizer()
    model = AutoModelForSeq2SeqLM.from_pretrained(script.model)

    def features(batch: dict) -> dict:
        options = {"truncation": True, "padding": "max_length" if script.padded else False}
        made = tokenizer(batch["text"], max_length=script.length, **options)
        targets = tokenizer(text_target=batch["target"], max_length=128, **options)["input_ids"]
        made["labels"] = [[-100 if token == tokenizer.pad_token_id else token for token in ids] for ids in targets]
        return made

    return script.trainer(
        script.map(rows, features),
        model=model,
        processing_class=tokenizer,
        data_collator=DataCollatorForSeq2Seq(tokenizer, model=model, label_pad_token_id=-100),
    )


def causal_lm(script: Script) -> Any:
    """After run_clm.py: texts joined and cut into blocks; `same`, with end tokens and positions that begin anew."""
    from transformers import AutoModelForCausalLM, default_data_collator

    rows, tokenizer = script.rows(), script.tokenizer()

    def encoded(batch: dict) -> dict:
        made = tokenizer(batch["text"])
        if not script.same:
            return made
        rows = [[*ids, tokenizer.eos_token_id] for ids in made["input_ids"]]
        # Without a mask transformers sees from the positions which tokens are of one text.
        return {"input_ids": rows, "position_ids": [list(range(len(ids))) for ids in rows]}

    def blocks(batch: dict) -> dict:
        made = _blocks(batch, script.length)
        made["labels"] = made["input_ids"].copy()
        if script.same:
            made["position_ids"] = [_from_the_start(places) for places in made["position_ids"]]
        return made

    return script.trainer(
        script.map(rows, encoded).map(blocks, batched=True),
        model=AutoModelForCausalLM.from_pretrained(script.model),
        processing_class=tokenizer,
        data_collator=default_data_collator,
    )


def _from_the_start(places: list[int]) -> list[int]:
    """Positions of a block; of the document it begins in the middle of, counted from the start of the block."""
    turn = places.index(0) if 0 in places else len(places)
    return [place - places[0] for place in places[:turn]] + places[turn:]


def masked_lm(script: Script) -> Any:
    """After run_mlm.py: texts joined and cut into blocks; `same`, each text cut into blocks of its own, padded."""
    from transformers import AutoModelForMaskedLM, DataCollatorForLanguageModeling

    rows, tokenizer = script.rows(), script.tokenizer()

    def encoded(batch: dict) -> dict:
        options = {"truncation": True, "max_length": script.length, "return_overflowing_tokens": True}
        made = tokenizer(batch["text"], return_special_tokens_mask=True, **(options if script.same else {}))
        made.pop("overflow_to_sample_mapping", None)
        return made

    ready = script.map(rows, encoded)
    return script.trainer(
        ready if script.same else ready.map(lambda batch: _blocks(batch, script.length), batched=True),
        model=AutoModelForMaskedLM.from_pretrained(script.model),
        processing_class=tokenizer,
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15),
    )


def _blocks(batch: dict, length: int) -> dict:
    """`group_texts` of the examples: all texts joined and cut into blocks, the rest left out."""
    joined = {name: list(chain.from_iterable(batch[name])) for name in batch}
    whole = len(joined["input_ids"]) // length * length
    return {name: [ids[at : at + length] for at in range(0, whole, length)] for name, ids in joined.items()}


def task_script(script: Script) -> Any:
    """The Trainer of the script of this task."""
    return _SCRIPTS[script.task](script)


_SCRIPTS: dict[str, Callable[[Script], Any]] = {
    "text-classification": text_classification,
    "token-classification": token_classification,
    "question-answering": question_answering,
    "seq2seq": seq2seq,
    "causal-lm": causal_lm,
    "masked-lm": masked_lm,
}
