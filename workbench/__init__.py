"""workbench: a terminal workbench for fine-tuning language models.

A recipe describes an experiment; a run is one recipe, launched. The trainer writes events into the run's
directory, the registry indexes them, and the panes show what the registry knows:

    recipe → run → events → registry → panes

From Python, `Workbench` is the way in.
"""

from typing import TYPE_CHECKING, Any

from workbench.core.errors import BadInput, WorkbenchError

if TYPE_CHECKING:
    from workbench.api import Run, Workbench
    from workbench.lab.opened import Model

__version__ = "0.1.0"
__all__ = ["BadInput", "Model", "Run", "Workbench", "WorkbenchError", "__version__"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: the TUI's first frame does not wait for what scripts need.
    if name in {"Run", "Workbench"}:
        from workbench import api

        return getattr(api, name)
    if name == "Model":
        from workbench.lab.opened import Model

        return Model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
