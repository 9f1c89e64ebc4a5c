"""`python plain_start.py FILE CACHE`: what one would write without workbench, to its first step.

`load_dataset`, `map`, Trainer, as transformers' example has them; the cache of `datasets` is in CACHE.
"""

import sys

LENGTH, BATCH = 64, 32


def main(file: str, cache: str) -> None:
    import torch
    from datasets import load_dataset
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    from workbench.models.locate import minilm_directory

    torch.set_num_threads(1)
    name = str(minilm_directory())
    tokenizer = AutoTokenizer.from_pretrained(name)
    rows = load_dataset("csv", data_files=file, cache_dir=cache)["train"].class_encode_column("label")

    def features(batch: dict) -> dict:
        return tokenizer(batch["text"], truncation=True, max_length=LENGTH)

    ready = rows.map(features, batched=True, remove_columns=["text"])
    model = AutoModelForSequenceClassification.from_pretrained(name, num_labels=2)
    settings = TrainingArguments(
        cache,
        max_steps=1,
        per_device_train_batch_size=BATCH,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    Trainer(model, settings, DataCollatorWithPadding(tokenizer), ready, processing_class=tokenizer).train()


if __name__ == "__main__":
    main(*sys.argv[1:])
