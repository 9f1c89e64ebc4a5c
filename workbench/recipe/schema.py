"""What a recipe may say: every field with its type, its bounds, its default and what it is for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

TaskName = Literal["text-classification", "causal-lm"]
Positive = Annotated[int, Field(ge=1)]
Interval = Literal["epoch", "never"] | Positive
SafeName = Annotated[str, Field(min_length=1, max_length=120)]


class Section(BaseModel):
    """A table of a recipe. Unknown keys are errors, and types are what TOML says they are."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=False)


class Model(Section):
    """Which weights and which tokenizer."""

    name: str = Field("", description="hub id, a directory, or builtin:minilm")
    revision: str | None = Field(None, description="branch, tag or commit on the hub")
    tokenizer: str | None = Field(
        None, description="another model's tokenizer; bpe trains a byte-level one on the training text"
    )
    vocab_size: Positive = Field(8192, description='size of a tokenizer that is trained (tokenizer = "bpe")')
    architecture: str | None = Field(None, description="from scratch: the model type to build, such as gpt2")
    config: dict[str, bool | int | float | str | list[int] | list[str]] = Field(
        default_factory=dict, description="fields of the model's config to set, such as n_layer"
    )
    dropout: float | None = Field(None, ge=0, lt=1, description="every dropout of the model, where given")
    trust_remote_code: bool = Field(False, description="run code that comes with the model; wants a revision")
    allow_pickle: bool = Field(False, description="load weights that are not safetensors")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.name and not self.architecture:
            raise ValueError("give model.name, or model.architecture to train from scratch")
        if self.name and self.architecture:
            raise ValueError("model.name and model.architecture exclude each other: a model is loaded or built")
        if self.architecture and not self.tokenizer:
            raise ValueError('a model from scratch needs model.tokenizer, such as tokenizer = "bpe"')
        if self.trust_remote_code and not self.revision and not Path(self.name).expanduser().is_dir():
            raise ValueError("trust_remote_code needs model.revision pinned to a commit")
        return self


class Subset(Section):
    """A random part of the training rows."""

    rows: Positive = Field(description="how many rows to keep")
    seed: int = Field(42, ge=0, description="which rows they are")


class Data(Section):
    """Which rows, how they are split, and which column is what."""

    source: str | None = Field(None, description="hub id, directory, file or builtin:name")
    config: str | None = Field(None, description="configuration of a hub data set, such as en")
    revision: str | None = Field(None, description="branch, tag or commit on the hub")
    train: str = Field("train", description="a split of the source or a file, sliced or whole")
    validation: str | None = Field(None, description="likewise; without it a part is held out of train")
    test: str | None = Field(None, description="likewise; judged once, with the chosen checkpoint")
    holdout: float | Positive | None = Field(
        None, description="validation held out of train: a share (0.1) or a number of rows"
    )
    holdout_seed: int = Field(42, ge=0, description="which rows are held out")
    shuffle_seed: int | None = Field(None, ge=0, description="shuffle each split before it is sliced")
    subset: Subset | None = Field(None, description="train on a random part")
    text: str | None = Field(None, description="column of the text; recognised where there is one candidate")
    label: str | None = Field(None, description="column of the label; recognised likewise")
    labels: list[str] | None = Field(None, description="names of the classes, in the order of their ids")
    max_length: Positive | None = Field(None, description="tokens after which a text is cut; default: the model's")
    block_size: Positive | None = Field(None, description="causal-lm: tokens in a training block")

    @field_validator("holdout")
    @classmethod
    def _share(cls, value: float | int | None) -> float | int | None:
        if isinstance(value, float) and not 0 < value < 1:
            raise ValueError("a share is between 0 and 1; a number of rows has no decimal point")
        return value


class Train(Section):
    """How the weights are moved."""

    epochs: float = Field(3, gt=0, description="passes over the training rows")
    max_steps: Positive | None = Field(None, description="stop after so many optimizer steps, whatever epochs says")
    batch_size: Positive = Field(16, description="rows a device sees at once")
    gradient_accumulation: Positive = Field(1, description="batches to one optimizer step")
    learning_rate: float = Field(5e-5, gt=0, description="peak learning rate")
    optimizer: Literal["adamw"] = Field("adamw", description="fused AdamW (Loshchilov and Hutter 2019)")
    adam_beta1: float = Field(0.9, ge=0, lt=1, description="decay of the first moment")
    adam_beta2: float = Field(0.999, ge=0, lt=1, description="decay of the second moment")
    adam_epsilon: float = Field(1e-8, gt=0, description="keeps the division finite")
    weight_decay: float = Field(0.0, ge=0, description="decoupled; not on biases and norms")
    schedule: Literal["linear", "cosine", "constant"] = Field("linear", description="shape after the warm-up")
    warmup_steps: int = Field(0, ge=0, description="steps from zero to the peak")
    warmup_ratio: float | None = Field(None, ge=0, lt=1, description="the same as a share of all steps")
    max_grad_norm: float = Field(1.0, ge=0, description="gradients are clipped to this norm; 0: never")
    precision: Literal["auto", "bf16", "fp16", "fp32"] = Field("auto", description="auto: bf16 where the device has it")
    group_by_length: bool = Field(True, description="batches of like lengths, so that little is padding")
    padding: Literal["longest", "max_length"] = Field("longest", description="pad to the batch or to max_length")
    early_stopping_patience: Positive | None = Field(
        None, description="evaluations without a better evaluate.best after which training ends"
    )
    early_stopping_threshold: float = Field(0.0, ge=0, description="how much better counts as better")
    save_every: Literal["epoch", "evaluation", "never"] | Positive = Field(
        "epoch", description="when a checkpoint is sealed; a number is steps"
    )
    keep_checkpoints: Positive = Field(2, description="the newest so many stay, and the best besides")
    workers: int = Field(0, ge=0, description="processes that load data")

    @model_validator(mode="after")
    def _one_warmup(self) -> Self:
        if self.warmup_ratio is not None and self.warmup_steps:
            raise ValueError("warmup_steps and warmup_ratio exclude each other")
        return self


class Evaluate(Section):
    """When and by what the model is judged."""

    every: Interval = Field("epoch", description="epoch, never, or a number of steps")
    batch_size: Positive | None = Field(None, description="rows at once; default: train.batch_size")
    metrics: list[str] | None = Field(None, description="which metrics are shown first; default: the task's")
    best: str | None = Field(None, description="the metric that chooses the checkpoint to keep; default: the task's")
    direction: Literal["max", "min"] | None = Field(
        None, description="which way is better; known for every metric here"
    )


class Generate(Section):
    """How text is generated, after training and in Try."""

    prompts: list[str] = Field(default_factory=list, description="generated from when training ends")
    max_new_tokens: Positive = Field(64, description="length of what is generated")
    temperature: float = Field(0.8, ge=0, description="0 is greedy")
    top_p: float = Field(0.95, gt=0, le=1, description="sample from the smallest set with this mass")
    top_k: int = Field(0, ge=0, description="sample from so many; 0: all")
    seed: int = Field(0, ge=0, description="of the sampling")


class Launch(Section):
    """Where and how the processes run."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU where there is one")
    processes: Positive = Field(1, description="ranks; more than one start through torch.distributed.run")
    threads: Positive | None = Field(None, description="CPU threads of each rank")
    stall_minutes: float = Field(30, gt=0, description="no progress for so long is a warning")
    env: dict[str, str] = Field(default_factory=dict, description="environment of the trainer; no secrets")


class Recipe(Section):
    """A whole experiment."""

    name: SafeName = Field(description="what the run is called; no path in it")
    task: TaskName = Field(description="what the model learns to do")
    tags: list[SafeName] = Field(default_factory=list, description="to find it by")
    notes: str = Field("", description="free text")
    seed: int = Field(42, ge=0, lt=2**32, description="of weights, order and dropout")
    model: Model = Field(description="which weights")
    data: Data = Field(Data(), description="which rows")
    train: Train = Field(Train(), description="how")
    evaluate: Evaluate = Field(Evaluate(), description="by what")
    generate: Generate = Field(Generate(), description="generation")
    launch: Launch = Field(Launch(), description="where")

    @field_validator("name")
    @classmethod
    def _no_path(cls, value: str) -> str:
        if "/" in value or "\\" in value or value.startswith(".") or not value.isprintable() or value != value.strip():
            raise ValueError("a name has no slashes, no control characters and does not begin with a dot")
        return value

    @field_validator("tags")
    @classmethod
    def _tags_are_words(cls, value: list[str]) -> list[str]:
        for tag in value:
            if not tag.isprintable() or tag != tag.strip():
                raise ValueError("a tag has no control characters and no spaces around it")
        return value

    @model_validator(mode="after")
    def _needs_data(self) -> Self:
        if self.data.source is None and "train" not in self.data.model_fields_set:
            raise ValueError("give data.source, or a file in data.train")
        return self

    def resolved(self) -> dict[str, Any]:
        """Every field with its value, defaults written out, as plain JSON types."""
        return self.model_dump(mode="json")

    def digest(self) -> str:
        """16 hex digits, equal for equal experiments: name, tags and notes do not count."""
        body = {key: value for key, value in self.resolved().items() if key not in {"name", "tags", "notes"}}
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def fields(model: type[BaseModel] = Recipe, prefix: str = "") -> dict[str, str]:
    """Every recipe field as `train.learning_rate` → its description, in reading order; tables themselves left out."""
    found: dict[str, str] = {}
    for name, info in model.model_fields.items():
        nested = _section_of(info.annotation)
        if nested is not None:
            found |= fields(nested, f"{prefix}{name}.")
        else:
            found[prefix + name] = info.description or ""
    return found


def _section_of(annotation: Any) -> type[BaseModel] | None:
    options = [annotation, *getattr(annotation, "__args__", ())]
    return next((option for option in options if isinstance(option, type) and issubclass(option, Section)), None)


def flatten(resolved: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A resolved recipe as `train.learning_rate` → value."""
    flat: dict[str, Any] = {}
    for key, value in resolved.items():
        if isinstance(value, dict) and f"{prefix}{key}" not in {"model.config", "launch.env"}:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
