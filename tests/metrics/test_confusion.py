"""What a confusion matrix says about each class, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from workbench.contracts.coding import decode
from workbench.contracts.events.eval_event import ClassScores
from workbench.metrics.confusion import Confusion, macro

THREE = Confusion(("a", "b", "c"), ((5, 1, 0), (2, 7, 0), (0, 0, 0)))


def scores(label, support, precision, recall, specificity, f1, missed=None):
    ratios = {"precision": precision, "recall": recall, "specificity": specificity, "f1": f1}
    return ClassScores(label=label, support=support, **ratios, missed=missed)


def test_a_class_that_never_occurs_and_is_never_called_has_no_ratios_but_specificity():
    absent = THREE.report()[2]
    assert (absent.support, absent.precision, absent.recall, absent.f1) == (0, None, None, None)
    assert absent.specificity == 1.0


def test_a_class_that_occurs_and_is_never_called_has_no_precision_and_a_recall_of_zero():
    first = Confusion(("a", "b"), ((0, 4), (0, 6))).report()[0]
    assert (first.precision, first.recall, first.f1) == (None, 0.0, 0.0)


def test_specificity_is_undefined_where_every_row_is_of_the_class():
    only = Confusion(("a", "b"), ((3, 1), (0, 0))).report()
    assert only[0].specificity is None
    assert only[1].specificity == pytest.approx(3 / 4)


def test_the_figures_are_scikit_learns():
    rng = np.random.default_rng(7)
    counts = rng.integers(0, 9, (4, 4))
    true = [i for i in range(4) for j in range(4) for _ in range(counts[i, j])]
    predicted = [j for i in range(4) for j in range(4) for _ in range(counts[i, j])]
    precision, recall, f1, support = precision_recall_fscore_support(true, predicted)
    matrix = Confusion.parse(list("abcd"), counts.tolist())
    for i, entry in enumerate(matrix.report()):
        assert entry.ratios[:2] == pytest.approx((precision[i], recall[i]))
        assert (entry.f1, entry.support) == pytest.approx((f1[i], support[i]))
    assert macro(matrix.report()).f1 == pytest.approx(f1.mean())


def test_the_macro_mean_leaves_out_what_is_undefined():
    mean = macro(THREE.report())
    assert mean.support == 15
    assert mean.recall == pytest.approx((5 / 6 + 7 / 9) / 2)


def test_the_macro_mean_of_nothing_is_undefined():
    assert macro([]).ratios == (None, None, None, None)


def test_accuracy_of_an_empty_matrix_is_undefined():
    assert THREE.accuracy == pytest.approx(12 / 15)
    assert Confusion(("a",), ((0,),)).accuracy is None


@pytest.mark.parametrize("counts", [[[1, 2]], [[1], [2]], []])
def test_a_matrix_that_does_not_fit_its_labels_is_refused(counts):
    with pytest.raises(ValueError, match="2 labels"):
        Confusion.parse(["a", "b"], counts)


def test_a_class_of_an_event_keeps_its_nulls():
    record = {"label": "a", "support": 3, "precision": None, "recall": 0, "specificity": 1, "f1": 0.0}
    assert decode(ClassScores, record) == scores("a", 3, None, 0.0, 1.0, 0.0)


def test_specificity_is_the_share_of_the_other_rows_that_were_left_alone():
    first, second = Confusion.parse(["a", "b"], [[40, 7], [11, 42]]).report()
    assert first.specificity == pytest.approx(42 / 53)
    assert second.specificity == pytest.approx(40 / 47)
