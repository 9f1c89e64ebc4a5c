"""causal-lm as plain data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.data.tables.roles import TEXT, Role, Shape
from workbench.models.architectures import Head
from workbench.recipe import Data, Generate, Recipe, Train
from workbench.recipe.schema import BlockSize, MaxLength, TextColumn, TextOf
from workbench.tasks.spec import Length, TaskSpec


class CausalLMData(Data):
    """Plain text, prompts with completions, or chats."""

    text: TextColumn = None
    prompt: TextOf = Field(None, description='column of the prompt; several or a template, as ["instruction", "input"]')
    completion: TextOf = Field(None, description="column of what is to be written after it; several likewise")
    messages: str | None = Field(None, description="column of a chat, a list of role and content")
    system: str | None = Field(None, description="column of what the system says before the turns of a chat")
    tools: str | None = Field(None, description="column of the tools that a chat may call, a list or written as JSON")
    max_length: MaxLength = None
    block_size: BlockSize = None


class CausalLMTrain(Train):
    """Which tokens are learned, and by which kernels."""

    loss_on: Literal["all", "answer"] | None = Field(
        None, description="which tokens are learned; default: the answer of a prompt or chat, all of plain text"
    )
    liger: bool = Field(False, description="fused kernels of liger-kernel: a fraction of the memory; needs a CUDA GPU")


class CausalLMRecipe(Recipe):
    """A recipe for causal-lm."""

    task: Literal["causal-lm"] = "causal-lm"
    data: CausalLMData = CausalLMData()
    train: CausalLMTrain = CausalLMTrain()
    generate: Generate = Field(Generate(), description="generation")


# What is asked for comes first, then what it is asked about: rows as Alpaca, Dolly and OpenOrca have them, and others.
_ASKED = (
    ("instruction", "input"), ("prompt", "input"), ("prompt",), ("instruction", "context"), ("instruction",),
    ("question", "context"), ("question",), ("query",), ("input",), ("problem",), ("user",), ("human",),
)  # fmt: skip
_SYSTEM = ("system", "system_prompt")
_WRITTEN = (
    "completion", "response", "output", "answer", "chosen", "target", "solution", "reply", "assistant", "gpt",
)  # fmt: skip

SPEC = TaskSpec(
    name="causal-lm",
    recipe=CausalLMRecipe,
    shapes=(
        Shape(
            "chat",
            (
                Role("messages", ("messages", "conversations", "conversation"), texts=False),
                Role("system", _SYSTEM, filled=False, needed=False),
                Role("tools", ("tools", "functions"), texts=False, filled=False, needed=False),
            ),
            ("messages",),
        ),
        Shape(
            "completion",
            (
                Role("prompt", (*((system, *asked) for system in _SYSTEM for asked in _ASKED), *_ASKED)),
                Role("completion", _WRITTEN),
            ),
            ("prompt", "completion"),
        ),
        Shape("text", (TEXT,), ("text",), blocks="stream"),
    ),
    head=Head(
        "AutoModelForCausalLM",
        "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
        ("ForCausalLM", "LMHeadModel"),
        "GPT-2, Llama or Qwen",
        one_way=True,
    ),
    peft_type="CAUSAL_LM",
    asks=("text",),
    lengths=(Length(), Length("block_size")),
    generates=True,
    answers=False,
    one_to_one=False,
    code="workbench.tasks.causal_lm.task:TASK",
    pipeline="text-generation",
    row_texts="workbench.tasks.causal_lm.row_texts:PromptsAndChats",
)
