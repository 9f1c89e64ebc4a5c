"""causal-lm as plain data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.data.tables.roles import TEXT, Role, Shape
from workbench.models.architectures import Head
from workbench.recipe import Data, Generate, Recipe, Train
from workbench.recipe.schema import BlockSize, MaxLength, TextColumn
from workbench.tasks.spec import Length, TaskSpec


class CausalLMData(Data):
    """Plain text, prompts with completions, or chats."""

    text: TextColumn = None
    prompt: str | None = Field(None, description="column of the prompt")
    completion: str | None = Field(None, description="column of what is to be written after it")
    messages: str | None = Field(None, description="column of a chat, a list of role and content")
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


SPEC = TaskSpec(
    name="causal-lm",
    recipe=CausalLMRecipe,
    shapes=(
        Shape("chat", (Role("messages", ("messages", "conversations", "conversation"), texts=False),), ("messages",)),
        Shape(
            "completion",
            (
                Role("prompt", ("prompt", "instruction", "question", "input")),
                Role("completion", ("completion", "response", "output", "answer")),
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
