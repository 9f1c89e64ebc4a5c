"""The longest text a model takes: exactly as long as it can be read, in families that number positions otherwise."""

from __future__ import annotations

import pytest

from workbench.models.positions import Limits, advised, positions

SMALL = {
    "vocab_size": 40, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8,
    "max_position_embeddings": 12, "pad_token_id": 1,
}  # fmt: skip
BEHIND_PADDING = (
    "roberta", "xlm-roberta", "camembert", "mpnet", "roberta-prelayernorm", "data2vec-text", "ibert", "esm",
)  # fmt: skip
FROM_ZERO = ("bert", "electra", "albert", "distilbert", "big_bird", "rembert", "gpt2", "opt")


@pytest.mark.parametrize("family", [*BEHIND_PADDING, *FROM_ZERO])
def test_a_text_of_as_many_tokens_is_read_and_of_one_more_is_not(family):
    import torch
    from transformers import AutoConfig, AutoModel

    own = {"gpt2": {"n_positions": 12}, "distilbert": {"dim": 8, "hidden_dim": 8, "n_layers": 1, "n_heads": 2}}
    config = AutoConfig.for_model(family, **SMALL | own.get(family, {}))
    longest = positions(config.to_dict())
    assert longest == (10 if family in BEHIND_PADDING else 12)
    model = AutoModel.from_config(config).eval()
    model(input_ids=torch.full((1, longest), 5))
    with pytest.raises((IndexError, RuntimeError, ValueError)):
        model(input_ids=torch.full((1, longest + 1), 5))


def test_what_a_file_leaves_out_is_the_familys_own_value():
    assert positions({"model_type": "camembert"}) == 510
    assert positions({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 0}) == 513
    assert positions({"model_type": "not-of-transformers"}) is None


def test_each_side_of_an_encoder_decoder_has_its_own_end():
    led = {"model_type": "led", "max_encoder_position_embeddings": 4096, "max_decoder_position_embeddings": 512}
    assert (positions(led), positions(led, target=True)) == (4096, 512)
    pair = {"model_type": "encoder-decoder", "encoder": {"model_type": "roberta", "max_position_embeddings": 66}}
    pair["decoder"] = {"model_type": "bert", "max_position_embeddings": 32}
    assert (positions(pair), positions(pair, target=True)) == (64, 32)


def test_relative_positions_have_no_end_whatever_number_stands_there():
    assert positions({"model_type": "t5", "n_positions": 512, "relative_attention_num_buckets": 32}) is None


def test_a_tokenizers_limit_is_advice_for_the_usual_length():
    assert (advised(1e30), advised(None), advised(128)) == (None, None, 128)
    assert Limits(512, 128).usual(384) == 128
    assert Limits(64).usual(512) == 64
    assert Limits(None).least is None
