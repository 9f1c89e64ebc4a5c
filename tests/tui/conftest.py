"""A home, an app over a registry that tests fill by hand, and the screen as plain text."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType

import pytest
from textual.pilot import Pilot

from workbench.core.home import Home, Settings
from workbench.tui.app import WorkbenchApp
from workbench.tui.feed import FeedSource

SCREENS = Path(__file__).parent / "screens"


class FakeRegistry:
    """As much of a registry as the shell asks for."""

    def __init__(self, live: int = 0, total: int = 0) -> None:
        self.live, self.total = live, total
        self.notices: list[str] = []

    def count(self, filter: str = "") -> int:
        return self.live if filter else self.total

    def runs(self, filter: str = "", **_: object) -> list[object]:
        return []

    def sparkline(self, run_ids: object, **_: object) -> dict[str, list[float]]:
        return {}


class FakeSource:
    """A source whose registry is given and which has news when told so."""

    def __init__(self, registry: object) -> None:
        self.registry = registry
        self.changed: frozenset[str] = frozenset()
        self.closed = False

    def poll(self) -> frozenset[str]:
        changed, self.changed = self.changed, frozenset()
        return changed

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


@pytest.fixture
def make_app(home: Home) -> Callable[..., WorkbenchApp]:
    """An app over `registry` (an empty one if none is given)."""

    def make(registry: object | None = None, settings: Settings | None = None, **options: object) -> WorkbenchApp:
        source: FeedSource = FakeSource(registry or FakeRegistry())  # type: ignore[assignment]
        return WorkbenchApp(home, settings, make_source=lambda: source, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def fabricate() -> ModuleType:
    """The maker of run directories, `fabricate.py`."""
    spec = importlib.util.spec_from_file_location("fabricate", Path(__file__).with_name("fabricate.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fabricate"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def real_app(home: Home, fabricate: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[..., WorkbenchApp]:
    """An app over the real registry of `home`, four days after the first fabricated run, in UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()

    def make(settings: Settings | None = None, **options: object) -> WorkbenchApp:
        return WorkbenchApp(home, settings, clock=lambda: fabricate.EPOCH + 4 * 86_400, **options)  # type: ignore[arg-type]

    return make


def screen_text(app: WorkbenchApp) -> str:
    """The screen as it stands, one line a row, no colours, trailing spaces cut."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


@pytest.fixture
def shot() -> Callable[[WorkbenchApp], str]:
    """The screen as plain text."""
    return screen_text


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Let the app work until something holds; fail after many turns."""

    async def wait(pilot: Pilot[None], condition: Callable[[], object]) -> None:
        for _ in range(3000):
            await pilot.pause(0.02)
            if condition():
                return
        raise AssertionError(f"it never came to that:\n{screen_text(pilot.app)}")

    return wait


@pytest.fixture
def agrees() -> Callable[[WorkbenchApp, str], None]:
    """The screen is as it is kept in `screens/`. With UPDATE_SCREENS=1 it is kept: read the diff before committing."""

    def check(app: WorkbenchApp, name: str) -> None:
        kept, text = SCREENS / f"{name}.txt", screen_text(app) + "\n"
        if os.environ.get("UPDATE_SCREENS"):
            kept.write_text(text, "utf-8")
        assert text == kept.read_text("utf-8"), f"{kept.name} differs:\n{text}"

    return check


@pytest.fixture
def comes_to(agrees: Callable[[WorkbenchApp, str], None]) -> Callable[..., Awaitable[None]]:
    """Let the app work until the screen is as it is kept, as `agrees` has it; fails as that does."""

    async def wait(pilot: Pilot[None], name: str) -> None:
        if os.environ.get("UPDATE_SCREENS"):
            await pilot.pause(1.0)
        else:
            for _ in range(250):
                if screen_text(pilot.app) + "\n" == (SCREENS / f"{name}.txt").read_text("utf-8"):
                    return
                await pilot.pause(0.02)
        agrees(pilot.app, name)

    return wait
