"""What a failure of the GPU means, in one sentence with a hint, from what torch wrote about it.

torch reports all of them as a RuntimeError of many lines, and an assertion in a kernel not where it was made but where
a later call looked at the device. Standard library only: the supervisor reads these texts too.
"""

from __future__ import annotations

import re
from typing import Final

_OUT_OF_MEMORY: Final = (
    "CUDA out of memory",
    "torch.OutOfMemoryError",
    "torch.cuda.OutOfMemoryError",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
_ASSERTED: Final = "device-side assert triggered"
_OTHER: Final = re.compile(r"CUDA error: ([^\n]+)")

_SIZE: Final = r"(\d[\d.]* [KMGT]?i?[Bb](?:ytes)?)"
_WANTED: Final = re.compile(rf"Tried to allocate {_SIZE}")
_ALLOWED: Final = re.compile(rf"{_SIZE} allowed;")
_CAPACITY: Final = re.compile(rf"total capacity of {_SIZE} of which {_SIZE} is free")

_LESS: Final = (
    "lower train.batch_size (raise train.gradient_accumulation to keep the product) or data.max_length, "
    "or set train.activation_checkpointing = true"
)
_BLOCKING: Final = "run it again with CUDA_LAUNCH_BLOCKING=1 in launch.env, and the traceback names the line"


def sentence(evidence: str, console: str = "") -> str | None:
    """What failed on the device, None where nothing in `evidence` says that something did.

    `evidence` is the exception and its traceback; `console` is what else the process printed, where a kernel's
    assertion names itself.
    """
    if any(sign in evidence for sign in _OUT_OF_MEMORY):
        return f"CUDA out of memory{_how_much(evidence)}: {_LESS}"
    if _ASSERTED in evidence:
        return f"an assertion failed on the GPU: most likely {_cause(f'{evidence}{console}')}: {_BLOCKING}"
    if (other := _OTHER.search(evidence)) is not None:
        return f"the GPU failed ({other[1].strip().rstrip('.')}): {_BLOCKING}"
    return None


def _how_much(evidence: str) -> str:
    wanted, allowed, capacity = (pattern.search(evidence) for pattern in (_WANTED, _ALLOWED, _CAPACITY))
    if wanted is None:
        return ""
    if allowed is not None:
        return f", {wanted[1]} more did not fit into the {allowed[1]} that this process may take"
    if capacity is not None:
        return f", {wanted[1]} more did not fit: {capacity[2]} of {capacity[1]} were free"
    return f", {wanted[1]} more did not fit"


def _cause(said: str) -> str:
    """By the kernel that failed; torch's losses and its look-ups in tables check their indices."""
    if re.search(r"Loss\.cu|NLLLoss|n_classes", said):
        return "a label that the model's head has no output for (more labels than the head, or a negative one)"
    return (
        "an index outside a table: a token id outside the model's embeddings (its tokenizer is larger than its "
        "vocab_size), or a position beyond the longest it can take"
    )
