"""`python limited_trainer.py RUN_DIR [--bytes N] [--report FILE]`: the trainer, with so much of the card and no more.

`--report` is where the most that torch's allocator held of the card is written, in bytes, as JSON.
"""

import argparse
import json
import os
import sys
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("run")
parser.add_argument("--bytes", type=int)
parser.add_argument("--report", type=Path)
options = parser.parse_args()

if options.bytes is not None:
    import torch

    torch.cuda.set_per_process_memory_fraction(options.bytes / torch.cuda.get_device_properties().total_memory)

from workbench.train.__main__ import main  # noqa: E402  # the limit comes first

code = main([options.run])
if options.report is not None:
    import torch

    held = torch.cuda.max_memory_reserved() if torch.cuda.is_available() else 0
    options.report.write_text(json.dumps({"held": held}))
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)
