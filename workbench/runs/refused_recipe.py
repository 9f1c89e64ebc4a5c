"""What no run is made of: a recipe that holds a secret, or that has its trainer run what nobody has seen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from workbench.core import redact
from workbench.core.errors import BadInput
from workbench.core.flatten import flatten
from workbench.tasks.experiment import Experiment

_OURS: Final = "set it in the environment of `workbench run`, which the trainer inherits"

# By these a process loads code, or is led to other programs, before its own first line; what only tunes it is left.
_RUNS_CODE: Final = re.compile(
    r"PYTHON(?!(?:HASHSEED|UNBUFFERED|FAULTHANDLER|UTF8|DONTWRITEBYTECODE|MALLOC|TRACEMALLOC|NOUSERSITE)$)\w*"
    r"|(?:LD|DYLD|GIT|SSH)_\w+|PATH|HOME|SHELL|ENV|BASH_ENV|IFS|EDITOR|VISUAL|PAGER|TMPDIR|XDG_\w+|GCONV_PATH"
    r"|CC|CXX|CFLAGS|CXXFLAGS|LDFLAGS|CUDAHOSTCXX|CUDA_(?:HOME|PATH|INJECTION64_PATH)|NVCC\w*|OPENSSL_\w+"
    r"|TORCH_(?:EXTENSIONS_DIR|COMPILE_\w+)|TORCHINDUCTOR_(?:CACHE_DIR|CXX|\w*COMMAND)|TRITON_(?:\w*DIR|\w*PATH)"
    r"|NCCL_\w*(?:PLUGIN|CONF_FILE)|HF_MODULES_CACHE|KINETO_\w+|OMPI_\w+|\w*_PRELOAD|\w*STARTUP\w*",
    re.IGNORECASE,
)


def refuse(experiment: Experiment) -> None:
    """Raises BadInput where the recipe, its file or what was set beside it, is not one to keep or to start."""
    where, env = experiment.where, experiment.recipe.launch.env
    for number, line in enumerate(experiment.source.splitlines(), start=1):
        if redact.secret_shape(line):
            raise BadInput("this line holds what looks like a secret", where=f"{where}:{number}", hint=_OURS)
    for variable, value in env.items():
        if redact.secret_variable(variable) or redact.secret_shape(value):
            raise BadInput(f"launch.env.{variable} looks like a secret", where=where, hint=_OURS)
    for field, value in flatten(experiment.recipe.resolved()).items():
        if any(map(redact.secret_shape, _texts(value))):
            raise BadInput(f"{field} holds what looks like a secret", where=where, hint=_OURS)
    if found := running_code(env):
        raise BadInput(f"launch.env.{found[0]} can have the trainer run code unseen", where=where, hint=_OURS)


def running_code(env: Iterable[str]) -> list[str]:
    """The variables by which a process is made to run what is not its own."""
    return [name for name in env if _RUNS_CODE.fullmatch(name)]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for pair in value.items() for part in pair for text in _texts(part))
    elif isinstance(value, (list, tuple)):
        yield from (text for part in value for text in _texts(part))
