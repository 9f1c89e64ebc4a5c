"""`python -m workbench.lab`: the lab process.

It ends when its stdin closes, so that no killed TUI leaves one behind.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from workbench.contracts.lab import REQUESTS
from workbench.contracts.lab.request import AnyRequest
from workbench.core.home import Home
from workbench.lab.server import Server
from workbench.lab.services import SERVICES, Services

# No hub, no telemetry, no progress bars: an interactive pane must answer or fail at once.
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DO_NOT_TRACK": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
}


def _take_stdout() -> int:
    """The real stdout for the protocol alone; whatever libraries print goes to stderr."""
    output = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return output


def main(services: Mapping[str, str] = SERVICES, requests: Sequence[type[AnyRequest]] = REQUESTS) -> NoReturn:
    """Serve until stdin ends."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    server = Server(Services(Home.resolve(), services, requests), _take_stdout())
    server.serve(sys.stdin.buffer)
    # A thread may be deep in a generation that nobody waits for.
    os._exit(0)


if __name__ == "__main__":
    main()
