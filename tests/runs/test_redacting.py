"""Secrets are told by name and by shape, and names that only look like it are left alone."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.contracts.events import EventWriter, read_all
from workbench.core import redact

SECRETS = [
    "hf_abcdefghijklmnopqrstuvwxyzABCDEF12",
    "sk-proj-Abc123Def456Ghi789Jkl012",
    "sk-ant-api03-Abc123Def456Ghi789Jkl012",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "github_pat_11ABCDEFG0abcdefghijkl_mnop",
    "AKIAIOSFODNN7EXAMPLE",
    "glpat-abcdefghij0123456789",
    "xoxb-123456789012-abcdef",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijk",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("around", ["{}", "--x={}", "before {} after", "'{}'", "https://host/?k={}&b=1"])
def test_a_secret_is_found_by_its_shape(secret, around):
    text = around.format(secret)
    assert redact.secret_shape(text)
    assert redact.text(text) == around.format(redact.HIDDEN)


def test_bearer_headers_and_passwords_in_addresses_are_hidden():
    assert redact.text("Authorization: Bearer abcdef0123456789==") == f"Authorization: Bearer {redact.HIDDEN}"
    assert redact.text("https://me:pass@host/x") == f"https://{redact.HIDDEN}@host/x"
    assert redact.text("https://host:80/x") == "https://host:80/x"


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "my-password", "apikey", "TOKEN"]
)
def test_a_secret_is_found_by_its_name(name):
    assert redact.secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["TOKENIZERS_PARALLELISM", "max_new_tokens", "model.tokenizer", "AUTHOR", "KEYBOARD", "data.label", "monkey"],
)
def test_a_name_that_only_looks_like_it_is_left(name):
    assert not redact.secret_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "sk-learn-logistic-regression-baseline", "hf_cache", "imdb-bert-cased-500", "a bearer of news", "ghp_short",
        "google-bert/bert-base-uncased", "0123456789abcdef0123456789abcdef01234567", "/data/me@host:/x",
    ],
)  # fmt: skip
def test_ordinary_text_is_left(text):
    assert redact.text(text) == text


@pytest.mark.parametrize(
    ("given_", "written"),
    [
        (["--token", "x", "y"], ["--token", redact.HIDDEN, "y"]),
        (["--token=x"], [f"--token={redact.HIDDEN}"]),
        (["--token", "--json"], ["--token", "--json"]),
        (["--set", "launch.env.HF_TOKEN=x y"], ["--set", f"launch.env.HF_TOKEN={redact.HIDDEN}"]),
        (["--set", "train.epochs=1"], ["--set", "train.epochs=1"]),
        (["run", "recipes/token.toml"], ["run", "recipes/token.toml"]),
    ],
)
def test_a_command_line_keeps_its_shape(given_, written):
    assert redact.argv(given_) == written


@given(st.lists(st.text()))
def test_redacting_is_idempotent_and_keeps_the_number_of_arguments(arguments):
    once = redact.argv(arguments)
    assert len(once) == len(arguments)
    assert redact.argv(once) == once


@pytest.mark.parametrize("name", ["PGPASSWORD", "MYSQL_PWD", "SMTP_PASS", "OPENAI_KEY", "HFTOKEN", "SSHPASS", "AZ_SAS"])
def test_a_variable_that_holds_a_secret_is_told_by_its_end(name):
    assert redact.secret_variable(name)
    assert redact.argv(["--set", f"launch.env.{name}=x"])[1].endswith(redact.HIDDEN)


@pytest.mark.parametrize("name", ["PWD", "OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM", "COMPASS"])
def test_other_variables_are_left(name):
    assert not redact.secret_variable(name)


def test_prose_is_no_header():
    assert redact.text("a basic understanding of bearer instruments") == "a basic understanding of bearer instruments"


def test_what_a_log_says_holds_no_secret_and_stays_json(tmp_path):
    log = EventWriter(tmp_path / "events.jsonl")
    said = {"text": "see https://me:pass1@host/x", "next": "a://b", "list": ['c"d@e', SECRETS[0]]}
    log.write("sample", **said)
    log.close()
    [event] = read_all(tmp_path / "events.jsonl")
    assert event.seq == 1
    text = (tmp_path / "events.jsonl").read_text()
    assert "pass1" not in text
    assert SECRETS[0] not in text
    assert json.loads(text)["next"] == "a://b"
