"""Numbers beyond all bounds are told like any other wrong value."""

from __future__ import annotations

import pytest

from workbench.core.errors import RecipeError
from workbench.tasks import recipe_union

RECIPE = (
    'name = "a"\ntask = "text-classification"\n[model]\nname = "builtin:minilm"\n[data]\nsource = "a.csv"\n[train]\n'
)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"batch_size = 1{'0' * 26}", "train.batch_size"),
        ("epochs = 1e300", "train.epochs"),
        (f"max_steps = 1{'0' * 5000}", "a number has more digits than any number can hold: write a smaller one"),
    ],
)
def test_a_number_beyond_all_bounds_is_told_with_its_line(line, said):
    with pytest.raises(RecipeError) as caught:
        recipe_union.parse(RECIPE + line + "\n", where="a.toml")
    assert said in str(caught.value)
    assert "a.toml:8" in str(caught.value)
