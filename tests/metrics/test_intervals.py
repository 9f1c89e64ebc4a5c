"""Each evaluation says how sure it is: intervals as if the whole measure were taken of rows drawn again and again."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.metrics.exact_match import Answers
from workbench.metrics.language import LanguageModel, MaskedTokens
from workbench.metrics.multilabel import MultiLabel
from workbench.metrics.regression import Regression
from workbench.metrics.tagging import Entities
from workbench.metrics.texts import Texts

ROWS, DRAWS = 120, 150
WORDS = ("red", "dog", "runs", "over", "the", "hill", "and", "sleeps")


def texts(rng):
    gold = [" ".join(rng.choice(WORDS, 9)) for _ in range(ROWS)]
    changed = [[word if rng.random() > 0.3 else "cat" for word in text.split()] for text in gold]
    return Texts(), {"predictions": [" ".join(words) for words in changed], "references": gold}


def answers(rng):
    gold = [[" ".join(rng.choice(WORDS, 3))] for _ in range(ROWS)]
    given = [one[0] if rng.random() > 0.4 else one[0].split()[0] for one in gold]
    return Answers(), {
        "predictions": [{"text": text, "no_answer_probability": 0.0} for text in given],
        "references": gold,
    }


def entities(rng):
    gold = [rng.choice(["O", "B-PER", "B-LOC"], 8).tolist() for _ in range(ROWS)]
    predicted = [[tag if rng.random() > 0.2 else "O" for tag in row] for row in gold]
    return Entities(["PER", "LOC"]), {"predictions": predicted, "references": gold}


def several(rng):
    truth = (rng.random((ROWS, 3)) < 0.4).astype(float)
    return MultiLabel(list("abc")), {
        "probabilities": np.clip(truth * 0.4 + rng.random((ROWS, 3)) * 0.6, 0, 1),
        "references": truth,
    }


def numbers(rng):
    truth = rng.normal(1e4, 3, (ROWS, 2))
    # All of them too high: a correlation does not mind, and neither may its interval.
    return Regression(["a", "b"]), {"predictions": truth + 5 + rng.normal(0, 2, (ROWS, 2)), "references": truth}


def language(rng):
    tokens = rng.integers(20, 60, ROWS)
    return LanguageModel(), {"nll": tokens * rng.normal(3, 0.5, ROWS), "tokens": tokens, "right": tokens // 3}


def masked(rng):
    return MaskedTokens(), language(rng)[1]


def computed(metric, rows):
    more = {"bytes_per_token": 4.0} if isinstance(metric, LanguageModel) else {}
    return metric.compute(**rows, **more)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (texts, {"bleu", "chrf", "rouge1", "rouge2", "rougeL", "rougeLsum", "exact_match"}),
        (answers, {"exact_match", "f1"}),
        (entities, {"precision", "recall", "f1", "token_accuracy"}),
        (several, {"accuracy", "precision", "recall", "f1", "hamming_loss"}),
        (numbers, {"mse", "mae", "rmse", "r2", "pearson"}),
        (language, {"loss", "perplexity", "bits_per_byte", "token_accuracy"}),
        (masked, {"loss", "masked_accuracy", "pseudo_perplexity"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_intervals_are_those_of_the_measure_over_rows_drawn_again(make, names):
    rng = np.random.default_rng(5)
    metric, rows = make(rng)
    whole = computed(metric, rows)
    told = whole["report"]["intervals"]
    assert told.keys() == names
    drawn = {name: [] for name in names}
    for _ in range(DRAWS):
        places = rng.integers(ROWS, size=ROWS)
        again = {name: [values[place] for place in places] for name, values in rows.items()}
        found = computed(metric, again)["scalars"]
        for name in names:
            drawn[name].append(found[name])
    for name, (low, high) in told.items():
        expected = np.quantile(drawn[name], [0.025, 0.975])
        assert low <= whole["scalars"][name] <= high, name
        assert (low, high) == pytest.approx(expected, abs=0.35 * np.ptp(expected)), name


def test_what_is_no_number_has_no_interval():
    told = computed(LanguageModel(), {"nll": [1.0, np.nan], "tokens": [2, 2], "right": [1, 1]})
    assert told["report"]["intervals"] == {}


def test_rows_that_are_all_alike_are_sure():
    told = Texts().compute(predictions=["the red dog runs"] * 4, references=["the red dog runs"] * 4)
    assert told["report"]["intervals"]["bleu"] == pytest.approx([100, 100])
    assert told["report"]["intervals"]["exact_match"] == [1, 1]
