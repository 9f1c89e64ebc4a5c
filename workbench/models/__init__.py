"""Pretrained models: where they are, what they are built of, how they are loaded, merged and described."""
