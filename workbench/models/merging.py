"""Adapters worked into the weights they stand beside, so that the model loads without peft and answers the same.

`python -m workbench.models.merging ADAPTERS AUTO_CLASS TO` writes the weights and the config of the whole into TO, the
model being opened by that class of transformers. Exits 0,
or 2 with one sentence on standard error. A process of its own: whoever asks imports no torch.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.core.errors import BadInput, ModelError, WorkbenchError

if TYPE_CHECKING:
    from peft import PeftModel


def merge(source: Path, auto_class: str, to: Path) -> None:
    """Write the base of the adapters in `source`, with them merged into it. Raises ModelError."""
    import transformers

    from workbench.models import weights

    model: PeftModel = weights.open_model(getattr(transformers, auto_class), source, "cpu")[0]
    model.merge_and_unload().save_pretrained(to)


def main(arguments: list[str]) -> int:
    os.environ |= {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    source, auto_class, to = arguments
    try:
        merge(Path(source), auto_class, Path(to))
    except (BadInput, ModelError) as error:
        print(error.sentence, file=sys.stderr)
        return 2
    except WorkbenchError as error:
        print(error.sentence, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
