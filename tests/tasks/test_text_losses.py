"""The losses of text-classification are torch's and the papers', and a step is one step however it is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.utils.class_weight import compute_class_weight

from workbench.tasks.text_classification import loss as text_losses
from workbench.tasks.text_classification.loss import BinaryCrossEntropy, CrossEntropy, SquaredError, StepLoss
from workbench.tasks.text_classification.spec import TextClassificationTrain as Train

F = torch.nn.functional
unhurried = settings(deadline=None, max_examples=60)


@st.composite
def batches(draw):
    """Logits [rows, classes], a class of each row, labels of each row, weights of the classes."""
    rows, classes = draw(st.integers(1, 7)), draw(st.integers(2, 5))
    logits = draw(arrays.arrays(np.float64, (rows, classes), elements=st.floats(-30, 30)))
    one = draw(arrays.arrays(np.int64, rows, elements=st.integers(0, classes - 1)))
    several = draw(arrays.arrays(np.float64, (rows, classes), elements=st.sampled_from([0.0, 1.0])))
    weights = draw(arrays.arrays(np.float64, classes, elements=st.floats(0.0, 9)))
    return torch.from_numpy(logits), torch.from_numpy(one), torch.from_numpy(several), weights


shares = st.floats(0, 0.9)
gammas = st.floats(0, 5)


@unhurried
@given(batches(), shares)
def test_cross_entropy_with_weights_and_smoothing_is_torchs(batch, smoothing):
    logits, labels, _, weights = batch
    ours = CrossEntropy(weights, smoothing).elements(logits, labels)
    reference = torch.nn.CrossEntropyLoss(torch.from_numpy(weights), label_smoothing=smoothing, reduction="sum")
    assert ours.shape == labels.shape
    assert ours.sum().item() == pytest.approx(reference(logits, labels).item(), rel=1e-9, abs=1e-9)


@unhurried
@given(batches(), gammas)
def test_focal_loss_is_that_of_the_paper(batch, gamma):
    logits, labels, _, weights = batch
    chosen = torch.softmax(logits, -1)[torch.arange(len(labels)), labels]
    written = (
        torch.from_numpy(weights)[labels]
        * (1 - chosen) ** gamma
        * -torch.log_softmax(logits, -1).gather(1, labels[:, None]).squeeze(1)
    )
    ours = CrossEntropy(weights, gamma=gamma).elements(logits, labels)
    assert ours.tolist() == pytest.approx(written.tolist(), rel=1e-6, abs=1e-9)


@unhurried
@given(batches(), shares)
def test_several_labels_have_torchs_binary_cross_entropy(batch, smoothing):
    logits, _, labels, weights = batch
    ours = BinaryCrossEntropy(weights, smoothing).elements(logits, labels)
    smooth = labels * (1 - smoothing) + smoothing * 0.5
    reference = torch.nn.BCEWithLogitsLoss(pos_weight=torch.from_numpy(weights), reduction="none")(logits, smooth)
    assert ours.tolist() == pytest.approx(np.array(reference.tolist()))


@unhurried
@given(batches(), gammas)
def test_focal_loss_of_several_labels_is_that_of_the_paper(batch, gamma):
    logits, _, labels, _ = batch
    there = torch.sigmoid(logits)
    right = torch.where(labels > 0, there, 1 - there)
    written = (1 - right) ** gamma * F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    ours = BinaryCrossEntropy(gamma=gamma).elements(logits, labels)
    assert ours.numpy() == pytest.approx(written.numpy(), rel=1e-6, abs=1e-9)


@unhurried
@given(batches())
def test_a_gamma_of_zero_is_cross_entropy(batch):
    logits, one, several, weights = batch
    for kind, labels in ((CrossEntropy, one), (BinaryCrossEntropy, several)):
        focal, plain = kind(weights, gamma=0.0), kind(weights)
        assert focal.elements(logits, labels).numpy() == pytest.approx(plain.elements(logits, labels).numpy())


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_a_row_that_is_sure_has_a_gradient_that_is_a_number(gamma):
    for logits, labels, kind in (
        (torch.tensor([[200.0, -200.0]]), torch.tensor([0]), CrossEntropy),
        (torch.tensor([[200.0, -200.0]]), torch.tensor([1]), CrossEntropy),
        (torch.tensor([[200.0, -200.0]]), torch.tensor([[1.0, 1.0]]), BinaryCrossEntropy),
    ):
        logits.requires_grad_()
        kind(gamma=gamma).elements(logits, labels).sum().backward()
        assert torch.isfinite(logits.grad).all()


@unhurried
@given(batches(), st.data())
def test_accumulation_does_not_change_the_gradient(batch, data):
    logits, one, several, weights = batch
    cut = data.draw(st.integers(0, len(logits)))
    kinds = [
        (CrossEntropy(weights, 0.1), one),
        (CrossEntropy(weights, gamma=2.0), one),
        (BinaryCrossEntropy(weights, 0.1), several),
        (BinaryCrossEntropy(weights, gamma=2.0), several),
        (SquaredError(), logits.flip(0)),
    ]
    for objective, labels in kinds:
        step = StepLoss(objective)
        whole = gradient(logits, lambda given, step=step, labels=labels: step(Outputs(given), labels))
        parts = gradient(
            logits,
            lambda given, step=step, labels=labels: sum(
                step(Outputs(given[part]), labels[part], labels.numel()) for part in (slice(0, cut), slice(cut, None))
            ),
        )
        assert parts.numpy() == pytest.approx(whole.numpy(), rel=1e-5, abs=1e-7)


class Outputs:
    def __init__(self, logits):
        self.logits = logits


def gradient(logits, loss):
    given = logits.clone().requires_grad_()
    loss(given).backward()
    return given.grad


def test_squared_error_and_plain_losses_are_torchs_means():
    logits, numbers = torch.randn(6, 3), torch.randn(6, 3)
    assert StepLoss(SquaredError())(Outputs(logits), numbers) == pytest.approx(F.mse_loss(logits, numbers).item())
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    assert StepLoss(CrossEntropy())(Outputs(logits), labels) == pytest.approx(F.cross_entropy(logits, labels).item())


@unhurried
@given(st.lists(st.integers(0, 3), min_size=4, max_size=60).filter(lambda labels: len(set(labels)) == 4))
def test_balanced_weights_are_scikit_learns_and_leave_the_scale_of_the_loss(labels):
    counts = np.bincount(labels, minlength=4)
    ours = text_losses.balanced(counts)
    assert ours == pytest.approx(compute_class_weight("balanced", classes=np.arange(4), y=labels))
    assert np.mean(ours[labels]) == pytest.approx(1)
    assert text_losses.balanced(np.append(counts, 0)) == pytest.approx([*ours, 1])


@unhurried
@given(st.lists(st.booleans(), min_size=2, max_size=60).filter(lambda held: 0 < sum(held) < len(held)))
def test_the_weight_of_a_label_that_is_there_is_that_of_its_two_classes(held):
    without, there = compute_class_weight("balanced", classes=np.array([False, True]), y=held)
    ours = text_losses.balanced_positives(np.array([sum(held), 0, len(held)]), len(held))
    assert ours == pytest.approx([there / without, 1, 1])


def test_weights_are_given_by_the_names_of_classes():
    train = Train(class_weights={"rare": 5.0})
    assert text_losses.single(train, np.array([0, 1, 1]), ["often", "rare"]).weights.tolist() == [1, 5]
    assert text_losses.several(train, np.eye(2, dtype=np.float32), ["often", "rare"]).weights.tolist() == [1, 5]
    assert text_losses.single(Train(), np.array([0, 1]), ["often", "rare"]).weights is None
