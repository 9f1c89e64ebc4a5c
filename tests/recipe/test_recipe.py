"""A recipe is validated whole, and every problem is told with its place and its hint."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.core.errors import RecipeError
from workbench.core.flatten import flatten
from workbench.core.home import recipes_dir
from workbench.recipe import Recipe
from workbench.tasks import recipe_union
from workbench.tasks.recipe_union import load, parse

SMALLEST = 'name = "x"\ntask = "text-classification"\n[model]\nname = "m"\n[data]\ntrain = "a.jsonl"\n'


def problems(text: str, *overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        parse(text, where="r.toml", overrides=list(overrides))
    return caught.value.problems


@pytest.mark.parametrize("path", sorted(recipes_dir().glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_validates_and_opens_with_the_command_that_runs_it(path: Path):
    recipe = load(path)
    assert recipe.name == path.stem
    first = path.read_text("utf-8").splitlines()[0]
    assert first in {f"# workbench run recipes/{path.name}", "# workbench demo"} or first.startswith(
        f"# workbench run recipes/{path.name} --set"
    )


def test_all_problems_are_told_at_once_with_their_lines():
    text = (
        'name = "x"\ntask = "text-classificatoin"\n[model]\nname = "m"\n[data]\nsource = "s"\nholdout = 1.5\n'
        '[train]\nepochs = "2"\nlerning_rate = 5e-5\nbatch_size = 0\nlearning_rate = -1.0\n'
    )
    told = problems(text)
    assert sorted(int(line.split(":")[1]) for line in told) == [2, 7, 9, 10, 11, 12]
    joined = "\n".join(told)
    assert "r.toml:10: unknown key train.lerning_rate: did you mean train.learning_rate?" in told
    assert "r.toml:11: train.batch_size = 0: must be at least 1" in told
    assert 'r.toml:9: train.epochs = "2": must be a number' in told
    assert "r.toml:12: train.learning_rate = -1.0: must be more than 0" in joined
    assert "r.toml:7: data.holdout = 1.5" in joined
    assert "'text-classification', 'token-classification', " in joined


def test_a_field_of_several_types_is_one_problem():
    told = problems(SMALLEST + '[evaluate]\nevery = "sometimes"\n')
    assert len(told) == 1
    assert "'epoch', 'never'" in told[0]
    assert "whole number" in told[0]


def test_text_that_is_not_toml_says_where():
    assert problems('name = "x\n') == [told := problems('name = "x\n')[0]]
    assert told.startswith("r.toml:1: not TOML")


def test_a_missing_file_says_so(tmp_path: Path):
    with pytest.raises(RecipeError, match="no such recipe"):
        load(tmp_path / "none.toml")


def test_a_byte_order_mark_before_the_recipe_is_passed_over(tmp_path: Path):
    shipped = recipes_dir() / "demo-sentiment.toml"
    marked = tmp_path / "marked.toml"
    marked.write_bytes(b"\xef\xbb\xbf" + shipped.read_bytes())
    assert load(marked) == load(shipped)


def test_what_is_no_text_file_says_so_with_the_hint(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"Is a directory.: give a recipe file"):
        load(tmp_path)
    (tmp_path / "wide.toml").write_text('name = "é"', encoding="utf-16")
    with pytest.raises(RecipeError, match=r"not UTF-8 .*: save it so"):
        load(tmp_path / "wide.toml")


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "a\\b", "tab\tname", " padded", ""])
def test_a_name_cannot_leave_the_run_directory(name: str):
    told = problems(SMALLEST.replace('"x"', f'"""{name}"""' if "\t" in name else repr(name)))
    assert "name" in told[0]


@pytest.mark.parametrize("tag", ["two\\nlines", "\\u001b[31mred", " padded"])
def test_a_tag_can_be_shown_in_a_line(tag: str):
    (told,) = problems(f'tags = ["fine", "{tag}"]\n' + SMALLEST)
    assert "r.toml:1: tags" in told
    assert "a tag has no control characters" in told


def test_set_overrides_any_field_and_takes_toml_or_a_bare_word():
    recipe = parse(SMALLEST, overrides=["train.learning_rate=3e-5", "model.name=other", "data.subset.rows=5"])
    assert recipe.train.learning_rate == 3e-5
    assert recipe.model.name == "other"
    assert recipe.data.subset is not None
    assert recipe.data.subset.rows == 5


def test_set_none_takes_a_field_away():
    recipe = parse(SMALLEST + 'validation = "b.jsonl"\n', overrides=["data.validation=none"])
    assert recipe.data.validation is None


def test_a_wrong_override_is_named_as_such():
    told = problems(SMALLEST, "train.learnin_rate=1", "train.batch_size=0", "nonsense")
    assert "--set train.learnin_rate=1: unknown field: did you mean train.learning_rate?" in told
    assert any(line.startswith("--set train.batch_size: train.batch_size = 0") for line in told)
    assert any(line.startswith("--set nonsense: write it as field=value") for line in told)


def test_equal_experiments_have_equal_digests_whatever_they_are_called():
    one = parse(SMALLEST)
    other = parse(SMALLEST.replace('"x"', '"y"') + "[train]\nepochs = 3.0\n")
    changed = parse(SMALLEST, overrides=["seed=1"])
    assert one.digest() == other.digest() != changed.digest()


def test_a_resolved_recipe_is_the_same_recipe():
    recipe = parse(SMALLEST, overrides=["model.config.n_layer=2", "data.holdout=0.2", "launch.env.A='b'"])
    assert recipe_union.stored(recipe.resolved()) == recipe


def test_every_field_has_a_description():
    fields = {name: told for there in recipe_union.fields().values() for name, told in there.items()}
    assert all(fields.values())
    flat = flatten(parse(SMALLEST, overrides=["model.config.n_layer=2"]).resolved())
    assert (flat["data.train"], flat["model.config"]) == ("a.jsonl", {"n_layer": 2})
    assert set(flat) <= set(fields) | {"data.subset"}


FOREIGN = """name = "x"
task = "text-classification"
[model]
name = "m"
[data]
source = "s"
prefix = "summarize: "
block_size = 128
tags = "ner_tags"
question = "q"
[train]
mask_probability = 0.2
loss_on = "all"
liger = false
[evaluate]
beams = 4
n_best = 20
[generate]
prompts = []
"""


def test_a_field_of_another_task_is_refused_with_its_line_and_whose_it_is():
    told = problems(FOREIGN)
    assert "r.toml:16: evaluate.beams is of seq2seq: leave it out of a recipe for text-classification" in told
    assert told[1].startswith("r.toml:8: data.block_size is of causal-lm and masked-lm")
    assert [line.split(" ")[1] for line in told] == [
        "data.prefix", "data.block_size", "data.tags", "data.question", "train.mask_probability", "train.loss_on",
        "train.liger", "evaluate.beams", "evaluate.n_best", "generate.prompts",
    ]  # fmt: skip


def test_an_override_of_another_task_is_refused_too():
    (told,) = problems(SMALLEST, "evaluate.beams=2")
    assert told.startswith("--set evaluate.beams: evaluate.beams is of seq2seq")


def test_without_its_task_a_recipe_is_told_all_that_is_wrong_with_the_rest():
    told = problems(FOREIGN.replace("text-classification", "txt") + "seed = 1\n[trian]\nepochs = 1\n")
    assert told[0].startswith("r.toml:2: task = \"txt\": must be one of 'text-classification', 'token-classification'")
    assert any("unknown key trian" in line for line in told)
    assert not any("is of" in line for line in told)


def test_a_stored_recipe_of_an_older_version_has_the_fields_of_all_tasks_and_opens():
    old = parse(SMALLEST).resolved()
    old["evaluate"] |= {"beams": 1, "n_best": 20}
    old["train"] |= {"mask_probability": 0.15}
    old["generate"] = {"prompts": [], "top_k": 0}
    assert recipe_union.stored(old) == parse(SMALLEST)


@given(st.text(max_size=300))
def test_no_text_breaks_the_parser_other_than_as_a_recipe_error(text: str):
    try:
        recipe = parse(text)
    except RecipeError:
        return
    assert isinstance(recipe, Recipe)


def test_scratch_needs_a_tokenizer_and_excludes_a_name():
    base = 'name="x"\ntask="causal-lm"\n[data]\ntrain="a.txt"\n[model]\narchitecture="gpt2"\n'
    assert "tokenizer" in problems(base)[0]
    assert "exclude" in problems(base + 'tokenizer="bpe"\nname="gpt2"\n')[0]
    assert parse(base + 'tokenizer="bpe"\n').model.architecture == "gpt2"
