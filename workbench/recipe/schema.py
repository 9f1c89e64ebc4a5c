"""What a recipe may say: every field with its type, its bounds, its default and what it is for."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from workbench.core.paths import expanded

FormatName = Literal["csv", "tsv", "json", "jsonl", "parquet", "arrow", "txt", "conll"]
OptimizerName = Literal[
    "adamw", "adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "adagrad", "rmsprop", "adamw_torch_4bit",
    "adamw_torch_8bit", "adamw_8bit", "adamw_bnb_8bit", "paged_adamw_32bit", "paged_adamw_8bit", "ademamix",
    "ademamix_8bit", "paged_ademamix_32bit", "paged_ademamix_8bit", "lion_32bit", "lion_8bit", "paged_lion_32bit",
    "paged_lion_8bit", "rmsprop_bnb", "rmsprop_bnb_8bit", "rmsprop_bnb_32bit", "galore_adamw", "galore_adamw_8bit",
    "galore_adafactor", "apollo_adamw", "grokadamw", "stable_adamw",
]  # fmt: skip
ScheduleName = Literal[
    "linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt",
    "reduce_lr_on_plateau", "cosine_with_min_lr", "cosine_warmup_with_min_lr", "warmup_stable_decay", "greedy",
]  # fmt: skip
# What a label is; of words, tags that spell no entities.
Problem = Literal["single-label", "multi-label", "regression", "plain-tags"]
Positive = Annotated[int, Field(ge=1, lt=2**31)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Interval = Literal["epoch", "never"] | Positive
SafeName = Annotated[str, Field(min_length=1, max_length=120)]


# Fields that several tasks have, written once: a task's own section of a recipe takes those it knows.
# A column, several that make one text, or a template of theirs (`workbench.data.tables.text_template`).
TextOf = str | list[str] | None
TextColumn = Annotated[
    TextOf,
    Field(description='column of the text; several, or a template ("{title}: {text}"), make one; default: recognised'),
]
ClassNames = Annotated[list[str] | None, Field(description="names of the classes, in the order of their ids")]
MaxLength = Annotated[Positive | None, Field(description="tokens after which a text is cut; default: the model's")]
Stride = Annotated[
    Annotated[int, Field(ge=0)] | None,
    Field(description="tokens windows of a long text share; default: a quarter of max_length, for answers a third"),
]
BlockSize = Annotated[Positive | None, Field(description="tokens in a training block")]
LabelSmoothing = Annotated[
    float, Field(ge=0, lt=1, description="share of a label spread over all (Szegedy et al. 2016)")
]


class Section(BaseModel):
    """A table of a recipe. Unknown keys are errors, and types are what TOML says they are."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=False)


class ModelSource(Section):
    """Which weights and which tokenizer."""

    name: str = Field("", description="hub id, a directory, builtin:minilm, or the model of a run: run:ID, run:last")
    revision: str | None = Field(None, description="branch, tag or commit on the hub")
    tokenizer: str | None = Field(
        None, description="another model's tokenizer; bpe trains a byte-level one on the training text"
    )
    vocab_size: Positive = Field(8192, description='size of a tokenizer that is trained (tokenizer = "bpe")')
    chat_template: str | None = Field(
        None, description="how a chat is written: chatml, or a file in Jinja; default: the tokenizer's own"
    )
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
        if self.trust_remote_code and not self.revision and not expanded(self.name).is_dir():
            raise ValueError("trust_remote_code needs model.revision pinned to a commit")
        return self


class Subset(Section):
    """A random part of the training rows."""

    rows: Positive = Field(description="how many rows to keep")
    seed: Seed = Field(42, description="which rows they are")


class Data(Section):
    """Which rows, how they are split, and which column is what."""

    source: str | None = Field(None, description="hub id, directory, file or builtin:name")
    config: str | None = Field(None, description="configuration of a hub data set, such as en")
    revision: str | None = Field(None, description="branch, tag or commit on the hub")
    train: str = Field("train", description="a split of the source or a file, sliced or whole")
    validation: str | None = Field(None, description="likewise; without it a part is held out of train")
    test: str | None = Field(None, description="likewise; evaluated once, with the chosen checkpoint")
    holdout: float | Positive | None = Field(
        None, description="validation held out of train: a share (0.1) or a number of rows"
    )
    holdout_seed: Seed = Field(42, description="which rows are held out")
    shuffle_seed: Seed | None = Field(None, description="shuffle each split before it is sliced")
    subset: Subset | None = Field(None, description="train on a random part")
    format: FormatName | None = Field(None, description="how the files are read, where their names do not say")
    delimiter: str | None = Field(
        None, description="csv and tsv: the character between columns, such as ; or tab; told by the rows if left out"
    )
    header: bool | list[str] = Field(
        True, description="csv and tsv: false where no line names the columns (column_1, …), or their names"
    )

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        value = "\t" if value in ("tab", "\\t") else value
        if value is not None and (len(value) != 1 or value.isalnum() or value in '"\r\n' or not value.isascii()):
            raise ValueError('it is one character, such as ";", or "tab"')
        return value

    @field_validator("header")
    @classmethod
    def _distinct(cls, value: bool | list[str]) -> bool | list[str]:
        if isinstance(value, list) and (not value or len(set(value)) < len(value)):
            raise ValueError("it names every column, and none twice")
        return value

    @field_validator("holdout")
    @classmethod
    def _share(cls, value: float | int | None) -> float | int | None:
        if isinstance(value, float) and not 0 < value < 1:
            raise ValueError("a share is between 0 and 1; a number of rows has no decimal point")
        return value

    @property
    def longest(self) -> int | None:
        """Tokens a row is cut to, or a block holds, where the recipe says so."""
        asked: list[int | None] = [getattr(self, name, None) for name in ("max_length", "block_size")]
        return next((length for length in asked if length is not None), None)


class Lora(Section):
    """Low-rank adapters, where train.method asks for them."""

    rank: Positive = Field(8, description="rank of the update")
    alpha: float = Field(16, gt=0, description="the update is scaled by alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout before the update")
    target_modules: list[str] | None = Field(
        None, description="names of the layers that get adapters; default: as is usual for the family"
    )


class Train(Section):
    """How the weights are moved."""

    method: Literal["full", "lora", "dora", "qlora"] = Field(
        "full", description="all weights, or low-rank adapters (Hu et al. 2021; Liu et al. 2024; Dettmers et al. 2023)"
    )
    lora: Lora = Field(Lora(), description="of the adapters")
    freeze_layers: int = Field(
        0, ge=0, lt=2**31, description="embeddings and so many layers from the bottom stay as they are"
    )
    freeze: list[str] = Field(
        default_factory=list,
        description="patterns of names of weights that stay as they are: *.embeddings.*",
    )
    head_only: bool = Field(False, description="only the head learns")

    epochs: float = Field(3, gt=0, le=1e9, description="passes over the training rows")
    max_steps: Positive | None = Field(None, description="stop after so many optimizer steps, whatever epochs says")
    batch_size: Positive = Field(16, description="rows a device sees at once")
    batch_tokens: Positive | None = Field(
        None, description="tokens a device sees at once, padding included, in place of batch_size: of short rows many"
    )
    gradient_accumulation: Positive = Field(1, description="batches to one optimizer step")
    learning_rate: float = Field(5e-5, gt=0, description="peak learning rate")
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="the learning rate of each layer is so many times that of the one above"
    )
    optimizer: OptimizerName = Field(
        "adamw", description="adamw is fused AdamW (Loshchilov and Hutter 2019); others by Trainer's names"
    )
    optimizer_args: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="further settings of the optimizer, such as momentum"
    )
    adam_beta1: float = Field(0.9, ge=0, lt=1, description="decay of the first moment")
    adam_beta2: float = Field(0.999, ge=0, lt=1, description="decay of the second moment")
    adam_epsilon: float = Field(1e-8, gt=0, description="keeps the division finite")
    weight_decay: float = Field(0.0, ge=0, description="decoupled; not on biases and norms")
    l1: float = Field(0.0, ge=0, description="L1 penalty: this times the sum of the trained weights' absolute values")
    l2: float = Field(0.0, ge=0, description="L2 penalty in the loss: half of this times the sum of their squares")
    neftune_alpha: float | None = Field(None, gt=0, description="noise on the embeddings (Jain et al. 2023)")
    schedule: ScheduleName = Field(
        "linear",
        description="shape after the warm-up, by Trainer's names; reduce_lr_on_plateau and greedy follow evaluate.best",
    )
    schedule_args: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="further settings of the schedule, such as num_cycles"
    )
    warmup_steps: int = Field(0, ge=0, lt=2**31, description="steps from zero to the peak")
    warmup_ratio: float | None = Field(None, ge=0, lt=1, description="the same as a share of all steps")
    max_grad_norm: float = Field(1.0, ge=0, description="gradients are clipped to this norm; 0: never")
    precision: Literal["auto", "bf16", "fp16", "fp32"] = Field("auto", description="auto: bf16 where the device has it")
    group_by_length: bool = Field(True, description="batches of like lengths, so that little is padding")
    padding: Literal["longest", "max_length"] = Field("longest", description="pad to the batch or to max_length")
    padding_free: bool = Field(
        False, description="compute nothing for the padding of a batch, where the model allows it: the same numbers"
    )
    early_stopping_patience: Positive | None = Field(
        None, description="evaluations without a better evaluate.best after which training ends"
    )
    early_stopping_threshold: float = Field(0.0, ge=0, description="how much better counts as better")
    save_every: Literal["epoch", "evaluation", "never"] | Positive = Field(
        "epoch", description="when a checkpoint is sealed; a number is steps"
    )
    keep_checkpoints: Positive = Field(2, description="the newest so many stay, and the best besides")
    workers: int = Field(0, ge=0, le=1024, description="processes that load data")
    activation_checkpointing: bool = Field(
        False, description="compute activations twice instead of keeping them: less memory, more time"
    )
    compile: bool = Field(False, description="torch.compile the model: slow to begin, then faster on a GPU")
    cuda_graphs: bool = Field(
        True, description="on a GPU, replay forward and backward as CUDA graphs: the same numbers, with fewer launches"
    )
    oom_recovery: bool = Field(
        True, description="out of GPU memory: halve batch_size, double gradient_accumulation, go on"
    )

    @model_validator(mode="after")
    def _one_warmup(self) -> Self:
        if self.warmup_ratio is not None and self.warmup_steps:
            raise ValueError("warmup_steps and warmup_ratio exclude each other")
        return self


class Evaluate(Section):
    """When and by what the model is evaluated."""

    every: Interval = Field("epoch", description="epoch, never, or a number of steps")
    before: bool = Field(False, description="whether the model is evaluated before training too, as split before")
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
    top_k: int = Field(0, ge=0, lt=2**31, description="sample from so many; 0: all")
    seed: Seed = Field(0, description="of the sampling")


class Launch(Section):
    """Where and how the processes run."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU where there is one")
    processes: int = Field(1, ge=1, le=128, description="ranks; more than one start through torch.distributed.run")
    sharding: Literal["none", "fsdp"] = Field(
        "none", description="fsdp divides weights, gradients and optimizer among the processes: less memory for each"
    )
    threads: Positive | None = Field(None, description="CPU threads of each rank")
    stall_minutes: float = Field(30, gt=0, description="no progress for so long is a warning")
    env: dict[str, str] = Field(default_factory=dict, description="environment of the trainer; no secrets")


class Recipe(Section):
    """A whole experiment: what all tasks share. The specs of the tasks add their own fields (`workbench.tasks`)."""

    name: SafeName = Field(description="what the run is called; no path in it")
    task: str = Field(description="what the model learns to do")
    tags: list[SafeName] = Field(default_factory=list, description="to find it by")
    notes: str = Field("", description="free text")
    seed: int = Field(42, ge=0, lt=2**32, description="of weights, order and dropout")
    model: ModelSource = Field(description="which weights")
    data: Data = Field(Data(), description="which rows")
    train: Train = Field(Train(), description="how")
    evaluate: Evaluate = Field(Evaluate(), description="by what")
    launch: Launch = Field(Launch(), description="where")

    @field_validator("name")
    @classmethod
    def _no_path(cls, value: str) -> str:
        if "/" in value or "\\" in value or value.startswith(".") or not value.isprintable() or value != value.strip():
            raise ValueError("a name has no slashes, no control characters and does not begin with a dot")
        if value == "last":
            raise ValueError("last is the newest run, whatever its name: take another")
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


def fields(model: type[BaseModel], prefix: str = "") -> dict[str, str]:
    """Every field of a kind of recipe as `train.learning_rate` → its description, in reading order; no tables."""
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
