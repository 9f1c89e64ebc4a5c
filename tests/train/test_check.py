"""Whether a recipe would run is told before anything is created, every problem at once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from workbench.contracts.check_report import dump, refusal
from workbench.core.errors import RecipeError
from workbench.core.home import Home, recipes_dir
from workbench.tasks.experiment import Experiment
from workbench.train import check


def answer(recipe, overrides, home):
    """What the command prints for a recipe."""
    try:
        return json.loads(dump(check.check(Experiment.read(recipe, overrides), Home(home))))
    except RecipeError as error:
        return json.loads(refusal(check.said(error)))


@pytest.fixture
def ask(write, tmp_path):
    """The answer to a recipe with these data and other tables, in TOML."""

    def run(data: str, more: str = "", *overrides: str, task: str = "text-classification"):
        model = "" if "[model]" in more else '[model]\nname = "builtin:minilm"\n'
        recipe = write("r.toml", f'name = "tried"\ntask = "{task}"\n{model}\n[data]\n{data}\n{more}')
        return answer(recipe, overrides, tmp_path / "home")

    return run


@pytest.fixture
def reviews(write):
    write("a.csv", "text,label\n" + "".join(f"text {i},{'good' if i % 2 else 'bad'}\n" for i in range(103)))
    return 'source = "a.csv"'


def test_a_sound_recipe_is_answered_with_all_that_would_be_run(ask, reviews):
    more = "[train]\nbatch_size = 8\nepochs = 2\ngradient_accumulation = 2"
    found = ask(reviews, more)
    assert found["ok"]
    assert found["recipe"]["train"]["batch_size"] == 8
    assert (found["model"]["where"], found["model"]["type"]) == ("builtin", "bert")
    splits = found["data"]["splits"]
    assert (splits["train"]["rows"], splits["train"]["labels"]) == (93, {"bad": 47, "good": 46})
    assert splits["validation"]["rows"] == 10
    assert found["data"]["columns"] == {"text": "text", "label": "label"}
    assert found["data"]["notes"] == ["validation: 10 of 103 rows held out of train, stratified by label"]
    assert found["steps"] == {"per_epoch": 6, "total": 12, "estimated": False}


@pytest.mark.parametrize(
    ("batch", "accumulation", "epochs", "per_epoch", "total"),
    [(8, 1, 1.5, 12, 18), (10, 4, 3.0, 3, 9), (64, 2, 1.0, 1, 1), (8, 5, 0.5, 3, 2)],
)
def test_steps_of_93_rows_are_counted_as_trainer_counts_them(
    ask, reviews, batch, accumulation, epochs, per_epoch, total
):
    more = f"[train]\nbatch_size = {batch}\ngradient_accumulation = {accumulation}\nepochs = {epochs}"
    assert ask(reviews, more)["steps"] == {"per_epoch": per_epoch, "total": total, "estimated": False}


def test_chats_and_prompts_are_a_row_each_and_not_cut_into_blocks(ask, write):
    scratch = '[model]\narchitecture = "gpt2"\ntokenizer = "bpe"\n[train]\nepochs = 1\nbatch_size = 4'
    chat = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}\n'
    write("c.jsonl", chat * 44)
    (said,) = ask('source = "c.jsonl"\nholdout = 4', scratch, task="causal-lm")["problems"]
    assert "data.messages: the tokenizer has no chat template" in said
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "hi": 1, "ho": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.save(str(write("chatty/tokenizer.json", "")))
    write("chatty/tokenizer_config.json", '{"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}')
    write("chatty/chat_template.jinja", "{% for turn in messages %}{{ turn.role }} {{ turn.content }}\n{% endfor %}")
    chatty = scratch.replace('"bpe"', '"./chatty"')
    assert ask('source = "c.jsonl"\nholdout = 4', chatty, task="causal-lm")["steps"]["total"] == 10
    write("p.jsonl", '{"prompt": "a", "completion": "b"}\n' * 44)
    found = ask('source = "p.jsonl"\nholdout = 4', scratch, task="causal-lm")
    assert found["steps"] == {"per_epoch": 10, "total": 10, "estimated": False}


def test_blocks_of_masked_text_are_estimated_from_its_bytes(ask, write):
    one = "[train]\nepochs = 1\nbatch_size = 1"
    write("a.txt", "four bytes a token, so it is\n" * 640)
    lines = ask('source = "a.txt"\nholdout = 64\nblock_size = 64', one, task="masked-lm")["steps"]
    assert (lines["total"], lines["estimated"]) == (63, True)
    write("d.jsonl", '{"text": "a short document"}\n' * 110)
    apart = ask('source = "d.jsonl"\nholdout = 10\nblock_size = 64', one, task="masked-lm")["steps"]
    # No block holds two documents.
    assert apart["total"] == 100


def test_rows_that_take_several_windows_make_more_steps(ask, write):
    words = json.dumps({"tokens": ["a"] * 100, "tags": ["B-X"] + ["O"] * 99})
    write("n.jsonl", f"{words}\n" * 12)
    more = "[train]\nepochs = 1\nbatch_size = 1"
    task = "token-classification"
    whole = ask('source = "n.jsonl"\nholdout = 2', more, task=task)["steps"]
    parts = ask('source = "n.jsonl"\nholdout = 2\nmax_length = 52\nstride = 0', more, task=task)["steps"]
    assert (whole["total"], whole["estimated"]) == (10, False)
    assert (parts["total"], parts["estimated"]) == (20, True)


def test_that_lengths_are_not_known_before_a_tokenizer_is_trained_is_said(ask, reviews):
    found = ask(reviews, '[model]\narchitecture = "bert"\ntokenizer = "bpe"')
    assert found["data"]["ledger"] == {}
    assert any("the tokenizer is trained when the run begins" in note for note in found["data"]["notes"])


def test_what_the_tokenizer_does_not_know_is_told(ask, write):
    write("zh.csv", "text,label\n" + "".join(f"很好的酒店{i},{i % 2}\n" for i in range(40)))
    assert any("the tokenizer does not know" in note for note in ask('source = "zh.csv"')["data"]["notes"])


def test_a_model_that_cannot_learn_the_task_is_told(ask, write):
    write("t.csv", "text,target\n" + "a b,c\n" * 20)
    (said,) = ask('source = "t.csv"', task="seq2seq")["problems"]
    assert said == "builtin:minilm: bert has no head for seq2seq: use a model such as T5, BART, mBART or Marian"
    write("t.txt", "some text\n" * 20)
    (said,) = ask('source = "t.txt"', task="causal-lm")["problems"]
    assert "bert reads a text both ways, and would see what it is to predict" in said
    decoder = '[model]\nname = "builtin:minilm"\nconfig = { is_decoder = true }'
    assert ask('source = "t.txt"', decoder, task="causal-lm")["ok"]
    assert ask('source = "t.txt"', task="masked-lm")["ok"]
    scratch = '[model]\narchitecture = "{}"\ntokenizer = "bpe"'
    assert ask('source = "t.txt"', scratch.format("bart"), task="causal-lm")["ok"]
    (said,) = ask('source = "t.txt"', scratch.format("gpt2"), task="masked-lm")["problems"]
    assert "gpt2 has no head for masked-lm" in said


def test_a_label_that_is_another_in_each_row_is_told_rather_than_learnt(ask, write):
    write("i.csv", "id,text,label\n" + "".join(f"{n},some text {n},{'ab'[n % 2]}\n" for n in range(60)))
    (said,) = ask('source = "i.csv"\nlabel = "id"')["problems"]
    assert "id has 54 classes in 54 rows: set data.label to a column of classes" in said
    assert ask('source = "i.csv"\nlabel = "id"\nproblem = "regression"')["ok"]


def test_a_scheme_by_which_no_entity_is_whole_is_told(ask, write):
    write("n.jsonl", (json.dumps({"tokens": ["a", "b", "c"], "tags": ["B-X", "I-X", "O"]}) + "\n") * 20)
    (said,) = ask('source = "n.jsonl"\ntag_scheme = "iobes"', task="token-classification")["problems"]
    assert "no entity of train is whole where tags are read as iobes" in said


def test_max_steps_is_the_total(ask, reviews):
    assert ask(reviews, "", "train.max_steps=7")["steps"]["total"] == 7


def test_every_problem_is_told_at_once(ask, reviews):
    more = '[model]\nname = "./nowhere"\n[evaluate]\nbest = "acuracy"\nmetrics = ["f1", "bleu"]'
    found = ask(f'{reviews}\nlabel = "lable"', more)
    problems = "\n".join(found["problems"])
    assert len(found["problems"]) == 4
    assert "./nowhere: no such directory" in problems
    assert "evaluate.best: text-classification has no metric 'acuracy' (did you mean 'accuracy'?)" in problems
    assert "did you mean 'accuracy'?" in "".join(ask(reviews, '[evaluate]\nbest = "acc"')["problems"])
    assert "evaluate.metrics: text-classification has no metric 'bleu'" in problems
    assert "no column 'lable' (did you mean 'label'?)" in problems


def test_choices_that_the_labels_do_not_allow_are_told(ask, reviews, write):
    more = '[train]\nclass_weights = { god = 2.0 }\n[evaluate]\nbest = "r2"\nthresholds = 0.3'
    told = "\n".join(ask(reviews, more)["problems"])
    assert "evaluate.best: single-label has no metric 'r2'" in told
    assert "evaluate.thresholds: a single-label model predicts no labels by threshold" in told
    assert "there is no class 'god' (did you mean 'good'?): they are bad, good" in told
    write("n.csv", "text,score\n" + "".join(f"text {i},{i / 7}\n" for i in range(30)))
    told = ask('source = "n.csv"\nlabel = "score"', '[train]\nloss = "focal"\n[evaluate]\nbest = "f1"')["problems"]
    assert [problem.split(":")[0] for problem in told] == ["evaluate.best", 'train.loss = "focal"']
    assert ask('source = "n.csv"\nlabel = "score"')["data"]["splits"]["train"]["labels"] == {}


def test_recipe_problems_carry_their_file_and_line(ask, reviews, tmp_path):
    found = ask(reviews, "[train]\nbatch_size = 0\nlearning_rate = -1e-5\nepoch = 3")
    assert len(found["problems"]) == 3
    assert all(problem.startswith(f"{tmp_path}/r.toml:") for problem in found["problems"])


def test_labels_are_looked_at_before_training(ask, write):
    write("a.csv", "text,label\na,x\nb,x\nc,x\n")
    assert "only one class 'x' in train" in ask('train = "a.csv"\nvalidation = "a.csv"')["problems"][0]


def test_texts_longer_than_the_models_positions_are_told(ask, reviews, write):
    found = ask(f"{reviews}\nmax_length = 1024")
    assert found["problems"] == ["data.max_length = 1024 is more than the 512 positions of the model: use at most 512"]
    write("a.txt", "some words\n" * 100)
    more = '[model]\narchitecture = "gpt2"\ntokenizer = "bpe"\nconfig = { n_positions = 128 }'
    found = ask('train = "a.txt"\nblock_size = 256', more, task="causal-lm")
    assert "data.block_size = 256 is more than the 128 positions" in found["problems"][0]


def test_a_disk_that_is_too_small_is_told(ask, reviews, monkeypatch):
    usage = check.shutil.disk_usage("/")
    monkeypatch.setattr(check.shutil, "disk_usage", lambda _: type(usage)(10**9, 10**9, 5 * 10**8))
    assert "the checkpoints need about 1.2 GB and 0.5 GB are free" in ask(reviews)["problems"][0]
    assert ask(reviews, '[train]\nsave_every = "never"')["ok"]


def test_what_leaks_from_train_is_noted(ask, reviews):
    found = ask(f'{reviews}\ntest = "a.csv"')
    assert "test: 93 of 103 rows have a text that is in train too" in found["data"]["notes"]


@pytest.mark.parametrize("path", sorted(recipes_dir().glob("demo-*.toml")), ids=lambda path: path.stem)
def test_the_demo_recipes_would_run(path, tmp_path):
    report = check.check(Experiment.read(path), Home(tmp_path))
    assert report.steps.total > 10


def command(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *argv], capture_output=True, text=True, check=False)


def test_the_command_prints_one_object_and_exits_0_or_2(write, reviews, tmp_path):
    recipe = write(
        "r.toml", f'name = "t"\ntask = "text-classification"\n[model]\nname = "builtin:minilm"\n[data]\n{reviews}'
    )
    good = command("-m", "workbench.train.check", str(recipe), "--base-dir", str(tmp_path), "--set", "train.epochs=1")
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["recipe"]["train"]["epochs"] == 1
    bad = command("-m", "workbench.train.check", str(tmp_path / "none.toml"))
    assert bad.returncode == 2
    assert "no such recipe" in json.loads(bad.stdout)["problems"][0]


def test_the_check_loads_no_training_stack_and_tokenizers_without_torch(write, reviews, tmp_path):
    recipe = write(
        "r.toml", f'name = "t"\ntask = "text-classification"\n[model]\nname = "builtin:minilm"\n[data]\n{reviews}'
    )
    code = (
        "import sys; from workbench.train import check as preflight; "
        f"assert preflight.main([{str(recipe)!r}, '--base-dir', {str(tmp_path)!r}]) == 0; "
        "print(sorted({'torch', 'datasets', 'evaluate', 'sklearn'} & set(sys.modules)))"
    )
    assert command("-c", code).stdout.splitlines()[-1] == "[]"


def test_a_metric_that_has_no_better_way_chooses_only_where_the_recipe_says_one(ask, reviews):
    def told(*overrides):
        found = ask(f'{reviews}\ntarget = "label"', '[evaluate]\nbest = "length"', *overrides, task="seq2seq")[
            "problems"
        ]
        return [problem for problem in found if problem.startswith("evaluate")]

    (problem,) = told()
    assert "neither more nor less length is better: set evaluate.direction" in problem
    assert told("evaluate.direction=min") == []


@pytest.mark.parametrize(
    ("override", "told"),
    [("launch.device=cuda", "launch.device: no CUDA device"), ("train.precision=fp16", "a CPU does not train in fp16")],
)
def test_a_device_that_is_not_there_is_told_before_a_run_is_made(ask, reviews, monkeypatch, override, told):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    (problem,) = ask(reviews, "", override)["problems"]
    assert told in problem
