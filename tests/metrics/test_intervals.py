"""Each evaluation says how sure it is: intervals as if the whole measure were taken of rows drawn again and again."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_auc_score

from workbench.metrics import exact_intervals, intervals
from workbench.metrics.base import mean, outcome, with_loss
from workbench.metrics.classification import SingleLabel
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


@pytest.mark.parametrize("make", [texts, answers, entities, several, numbers, language, masked])
def test_intervals_are_those_of_the_measure_over_rows_drawn_again(make):
    rng = np.random.default_rng(5)
    metric, rows = make(rng)
    whole = computed(metric, rows)
    told, why = whole["report"]["intervals"], whole["report"]["without_interval"]
    assert told.keys() | why.keys() == whole["scalars"].keys()
    assert set(why.values()) <= {intervals.ALIKE}, "of entities never predicted wrong, or texts as long as their like"
    names = told.keys()
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
        if name in ("roc_auc", "pr_auc") or 1 - 1e-9 <= max(drawn[name]) <= 1:
            # By formula, and where the draws reach the end of the scale: it is not narrower than the draws are.
            assert low <= expected[0] + 0.1 * np.ptp(expected), name
        else:
            assert (low, high) == pytest.approx(expected, abs=0.35 * np.ptp(expected)), name


def test_what_is_no_number_has_no_interval_and_says_so():
    report = computed(LanguageModel(), {"nll": [1.0, np.nan], "tokens": [2, 2], "right": [1, 1]})["report"]
    assert report["intervals"].keys() == {"token_accuracy"}
    assert report["without_interval"] == dict.fromkeys(("loss", "perplexity", "bits_per_byte"), intervals.NOT_FINITE)


def test_a_perplexity_of_infinity_has_none():
    report = computed(LanguageModel(), {"nll": [2e5, 3e5], "tokens": [2, 2], "right": [1, 1]})["report"]
    assert report["without_interval"] == {"perplexity": intervals.NOT_FINITE}


def test_rows_that_are_all_right_are_as_sure_as_their_number_allows():
    report = Texts().compute(predictions=["the red dog runs"] * 30, references=["the red dog runs"] * 30)["report"]
    assert report["intervals"]["exact_match"] == [pytest.approx(0.8843, abs=1e-4), 1], "Clopper and Pearson's"
    assert report["intervals"]["rouge1"] == report["intervals"]["rougeLsum"] == report["intervals"]["exact_match"]
    assert report["without_interval"] == dict.fromkeys(("bleu", "chrf", "length", "length_ratio"), intervals.ALIKE)


def test_questions_with_and_without_answers_have_theirs_and_chosen_figures_none():
    gold = [["red dog"] if place % 3 else [] for place in range(60)]
    given = [{"text": "red" if place % 2 else "", "no_answer_probability": 0.5} for place in range(60)]
    told = Answers().compute(predictions=given, references=gold)
    report = told["report"]
    assert report["intervals"]["exact_match_no_answer"] == pytest.approx(proportion_ci(10, 20))
    low, high = report["intervals"]["f1_has_answer"]
    assert low < told["scalars"]["f1_has_answer"] < high
    assert report["without_interval"] == {"best_f1": intervals.CHOSEN, "best_f1_threshold": intervals.SETTING}


def proportion_ci(hits, rows):
    found = binomtest(hits, rows).proportion_ci(method="exact")
    return [found.low, found.high]


@pytest.mark.parametrize(("hits", "rows"), [(0, 1), (1, 1), (3, 7), (30, 30), (0, 500), (499, 500)])
def test_a_proportion_has_the_exact_interval(hits, rows):
    low, high = exact_intervals.proportion(hits, rows)
    assert [float(low), float(high)] == pytest.approx(proportion_ci(hits, rows), abs=1e-9)


def test_the_area_under_a_curve_is_covered_as_often_as_its_interval_says():
    rng = np.random.default_rng(4)
    for apart in (0.0, 1.2, 3.5):
        truth = norm.cdf(apart / 2**0.5)
        inside = 0
        for _ in range(300):
            scores = np.concatenate([rng.normal(apart, 1, 25), rng.normal(0, 1, 40)])
            area = roc_auc_score([1] * 25 + [0] * 40, scores)
            low, high = exact_intervals.roc_area(area, 25, 40)
            assert low <= area <= high
            inside += low <= truth <= high
        assert inside / 300 >= 0.92, apart


def test_a_rank_correlation_has_bonett_and_wrights_interval():
    # Their formula by hand: z = atanh(0.5), se = sqrt((1 + 0.25 / 2) / 47).
    assert exact_intervals.rank_correlation(0.5, 50) == pytest.approx((0.2418, 0.6919), abs=2e-3)
    assert exact_intervals.rank_correlation(1.0, 50) is None
    assert exact_intervals.rank_correlation(0.5, 3) is None


def test_sums_of_very_many_rows_are_drawn_as_the_rows_would_be():
    rng = np.random.default_rng(6)
    rows = np.stack([rng.exponential(2, 2001), np.ones(2001), rng.random(2001) < 0.3], axis=1)
    many, few = (intervals.of_rows(some, {"mean": mean}) for some in (rows, rows[:2000]))
    assert many["mean"] == pytest.approx(few["mean"], abs=0.02)
    normal = 1.96 * rows[:, 0].std() / 2001**0.5
    assert many["mean"] == pytest.approx((rows[:, 0].mean() - normal, rows[:, 0].mean() + normal), abs=0.01)


def test_the_calibration_error_of_probabilities_that_hold_may_be_nought():
    rng = np.random.default_rng(7)
    sure = rng.uniform(0.5, 1, 500)
    truth = (rng.random(500) < sure).astype(int)
    shares = np.stack([1 - sure, sure], axis=1)
    metric = SingleLabel(["a", "b"])
    holds = metric.compute(predictions=np.ones(500, int), references=truth, probabilities=shares)["report"]
    assert holds["intervals"]["ece"][0] < 0.01
    boasts = np.tile([0.01, 0.99], (500, 1))
    found = metric.compute(predictions=np.ones(500, int), references=truth, probabilities=boasts)
    assert found["report"]["intervals"]["ece"][0] > 0.15


def test_a_loss_joins_the_figures_with_an_interval_of_its_own():
    measured = outcome({"accuracy": 0.5, "mcc": None}, {"labels": ["a"]}, {"accuracy": (0.2, 0.8)})
    whole = with_loss(measured, 2.0, [[1.0, 1.0], [3.0, 1.0], [2.0, 1.0]])
    assert list(whole["scalars"]) == ["loss", "accuracy"]
    assert list(whole["report"]["intervals"]) == ["loss", "accuracy"]
    alone = with_loss(measured, 2.0, [[2.0, 1.0], [2.0, 1.0]])
    assert alone["report"]["without_interval"] == {"loss": intervals.ALIKE}
    assert alone["report"]["labels"] == ["a"]
