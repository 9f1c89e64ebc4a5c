"""`python limited_trainer.py RUN_DIR BYTES`: the trainer, with so much of the card and no more."""

import os
import sys

import torch

from workbench.train.__main__ import main

run, allowed = sys.argv[1:]
torch.cuda.set_per_process_memory_fraction(int(allowed) / torch.cuda.get_device_properties().total_memory)
code = main([run])
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)
