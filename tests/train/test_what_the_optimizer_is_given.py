"""What of a recipe reaches the optimizer: the rate of each weight at each step, its decay, and the optimizer's own."""

from __future__ import annotations

import pytest

BARE = ("train.precision=fp32", "evaluate.every=never", "data.test=none", "train.max_steps=5")
PEAK = 5e-3  # of the runs' recipe


@pytest.fixture
def groups(stepping, passes):
    """`groups[step][weight]`: the settings that the optimizer has for a weight, by its name, before each step."""
    from transformers import BertForSequenceClassification

    seen = passes(BertForSequenceClassification)
    found: list[dict[str, dict]] = []

    def look(optimizer) -> None:
        names = {id(weight): name for name, weight in seen[-1].model.named_parameters()}
        found.append(
            {
                names[id(weight)]: {key: value for key, value in group.items() if key != "params"}
                for group in optimizer.param_groups
                for weight in group["params"]
            }
        )

    stepping(look)
    return found


def of_all(groups, key: str) -> list[set]:
    """The values that a setting has at each step, over all weights."""
    return [{settings[key] for settings in step.values()} for step in groups]


def decays(name: str) -> bool:
    return "LayerNorm" not in name and not name.endswith("bias")


def test_weights_decay_and_biases_and_norms_do_not(runs, groups, tiny_bert):
    from transformers import AutoModelForSequenceClassification

    runs.train(runs.make("decay", *BARE, "train.weight_decay=0.1"))
    every = {name for name, _ in AutoModelForSequenceClassification.from_pretrained(tiny_bert).named_parameters()}
    assert len(groups) == 5
    for step in groups:
        assert step.keys() == every
        assert {name: settings["weight_decay"] for name, settings in step.items()} == {
            name: 0.1 if decays(name) else 0.0 for name in every
        }


def test_each_layer_has_its_share_of_the_rate_at_every_step(runs, groups, logged):
    run = runs.make("layers", *BARE, "train.layer_decay=0.5", "train.weight_decay=0.1")
    runs.train(run)
    shares = {"embeddings": 0.125, "encoder.layer.0": 0.25, "encoder.layer.1": 0.5, "pooler": 1.0, "classifier": 1.0}
    assert len(groups) == 5
    for done, step in enumerate(groups):
        for name, settings in step.items():
            share = next(share for part, share in shares.items() if part in name)
            assert settings["lr"] == pytest.approx(PEAK * share * (5 - done) / 5), name
            assert settings["weight_decay"] == (0.1 if decays(name) else 0.0), name
    told = [event.scalars["train/learning_rate"] for event in logged(run, "step")]
    assert told == pytest.approx([PEAK * (5 - done) / 5 for done in range(5)]), "the rate of the head is told"


def test_frozen_weights_are_not_the_optimizers(runs, groups):
    runs.train(runs.make("head", *BARE, "train.head_only=true"))
    assert all(set(step) == {"classifier.weight", "classifier.bias"} for step in groups)


def test_adams_own_settings_reach_it(runs, groups):
    settings = ("train.adam_beta1=0.8", "train.adam_beta2=0.9", "train.adam_epsilon=1e-5")
    runs.train(runs.make("adam", *BARE, *settings, "train.optimizer_args.amsgrad=true"))
    assert of_all(groups, "betas") == [{(0.8, 0.9)}] * 5
    assert of_all(groups, "eps") == [{1e-5}] * 5
    assert of_all(groups, "amsgrad") == [{True}] * 5


@pytest.mark.parametrize("layer_decay", [1, 0.5])
def test_an_optimizers_further_settings_reach_it(runs, groups, layer_decay):
    settings = ("train.optimizer=sgd", "train.optimizer_args.momentum=0.9", "train.optimizer_args.nesterov=true")
    runs.train(runs.make("sgd", *BARE, *settings, f"train.layer_decay={layer_decay}"))
    assert of_all(groups, "momentum") == [{0.9}] * 5
    assert of_all(groups, "nesterov") == [{True}] * 5


@pytest.mark.parametrize(
    ("settings", "shares"),
    [
        (["train.schedule=constant"], [1, 1, 1, 1, 1]),
        (["train.schedule=constant", "train.warmup_steps=3"], [0, 1 / 3, 2 / 3, 1, 1]),
        (["train.schedule=constant", "train.warmup_ratio=0.5"], [0, 1 / 3, 2 / 3, 1, 1]),
        (["train.schedule=linear"], [1, 4 / 5, 3 / 5, 2 / 5, 1 / 5]),
        (["train.schedule=linear", "train.warmup_steps=2"], [0, 1 / 2, 1, 2 / 3, 1 / 3]),
        (["train.schedule=linear", "train.warmup_ratio=0.4"], [0, 1 / 2, 1, 2 / 3, 1 / 3]),
        (["train.schedule=polynomial", "train.schedule_args.power=2", "train.schedule_args.lr_end=0.0"],
         [1, 0.64, 0.36, 0.16, 0.04]),
        (["train.schedule=warmup_stable_decay", "train.warmup_steps=1"], [0, 1, 1, 1, 1]),
        (["train.schedule=cosine_with_min_lr", "train.schedule_args.min_lr_rate=0.5"],
         [1, 0.9523, 0.8273, 0.6727, 0.5477]),
    ],
)  # fmt: skip
def test_a_schedule_has_its_shape_and_what_is_told_is_what_was_taken(runs, groups, logged, settings, shares):
    run = runs.make("shape", *BARE, *settings)
    runs.train(run)
    told = [event.scalars["train/learning_rate"] for event in logged(run, "step")]
    assert told == pytest.approx([PEAK * share for share in shares], abs=PEAK * 1e-4)
    assert [rate for (rate,) in of_all(groups, "lr")] == told


FOLLOWING = ("train.schedule=reduce_lr_on_plateau", "train.schedule_args.patience=0", "train.schedule_args.factor=0.5")
JUDGED = ("evaluate.every=1", "data.test=none", "train.save_every=never", "train.max_steps=6")


@pytest.mark.parametrize(
    ("best", "values", "shares"),
    [
        # What rises is getting better: only the fourth and the fifth are no gain.
        (["evaluate.best=accuracy"], [0.5, 0.6, 0.7, 0.7, 0.6, 0.8], [1, 1, 1, 1, 0.5, 0.25]),
        (["evaluate.best=accuracy", "evaluate.direction=min"], [0.5, 0.4, 0.6, 0.3, 0.5, 0.5],
         [1, 1, 1, 0.5, 0.5, 0.25]),
        (["evaluate.best=loss"], [0.9, 0.8, 0.8, 0.9, 0.1, 0.1], [1, 1, 1, 0.5, 0.25, 0.25]),
    ],
)  # fmt: skip
def test_a_plateau_is_where_the_metric_gets_no_better_in_its_own_direction(
    runs, groups, scripted, best, values, shares
):
    scripted(best[0].partition("=")[2], *values)
    runs.train(runs.make("plateau", *JUDGED, *FOLLOWING, *best))
    assert [rate for (rate,) in of_all(groups, "lr")] == pytest.approx([PEAK * share for share in shares])


def test_an_evaluation_that_a_stop_broke_off_is_told_to_the_schedule_when_the_run_goes_on(runs, scripted, logged):
    settings = (*JUDGED, *FOLLOWING, "evaluate.best=accuracy", "train.max_steps=7", "evaluate.every=2")
    values = (0.5, 0.5, 0.6, 0.6)
    whole, halves = runs.make("whole", *settings), runs.make("halves", *settings)
    scripted("accuracy", *values, *values)
    runs.train(whole)
    # Steps 2 and 4 are judged: a stop asked for while one is under way finds its evaluation before it.
    for step in (2, 4):
        assert runs.train(halves, stop_at=step).state == "stopped"
    assert runs.train(halves).state == "completed"
    rates = [[event.scalars["train/learning_rate"] for event in logged(run, "step")] for run in (whole, halves)]
    assert rates[0] == rates[1] == pytest.approx([PEAK * share for share in (1, 1, 1, 1, 0.5, 0.5, 0.5)])
    judged = [[event.step for event in logged(run, "eval")] for run in (whole, halves)]
    assert judged == [[2, 4, 6, 7]] * 2
