"""Small files and recipes to read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.data.tables import sources, splits
from workbench.recipe import Recipe
from workbench.tasks import recipe_union
from workbench.tasks.loading import splits_for

MakeRecipe = Callable[..., Recipe]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Make a file under the test's directory."""

    def make(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


@pytest.fixture
def make_recipe() -> MakeRecipe:
    """A recipe with the given `[data]`; other tables by name."""

    def make(task: str = "text-classification", tables: dict[str, Any] | None = None, **data: Any) -> Recipe:
        return recipe_union.stored(
            {"name": "tried", "task": task, "model": {"name": "builtin:minilm"}, "data": data} | (tables or {})
        )

    return make


@pytest.fixture
def load(tmp_path: Path, make_recipe: MakeRecipe) -> Callable[..., splits.Splits]:
    """The splits of a recipe with the given `[data]`, paths relative to the test's directory."""

    def loaded(*args: Any, **data: Any) -> splits.Splits:
        return splits_for(make_recipe(*args, **data), [tmp_path])

    return loaded


@pytest.fixture
def rows() -> Callable[[Path], list[dict[str, Any]]]:
    """All rows of a source's train split."""
    return lambda path: sources.open_named(str(path), []).table("train").to_pylist()


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A Hugging Face home of the test's own, and a hub at a port where nobody listens."""
    for name in ("HF_HUB_OFFLINE", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    return tmp_path / "hf"
