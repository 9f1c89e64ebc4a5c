"""What one would write to predict without workbench: `python pipeline_script.py MODEL ROWS.jsonl`.

Prints `{"seconds": …, "labels": […]}`: the seconds are those of the predicting alone.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from transformers import pipeline


def main(model: str, rows: str) -> None:
    texts = [json.loads(line)["text"] for line in Path(rows).read_text().splitlines()]
    classify = pipeline("text-classification", model=model, device=0 if torch.cuda.is_available() else -1)
    started = time.monotonic()
    labels = [answer["label"] for answer in classify(texts, batch_size=32, truncation=True)]
    print(json.dumps({"seconds": time.monotonic() - started, "labels": labels}))


if __name__ == "__main__":
    main(*sys.argv[1:])
