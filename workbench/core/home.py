"""Where workbench keeps things, and what the user has set once for every session."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from workbench.core.errors import BadInput, NotWritable
from workbench.core.paths import expanded

_ANOTHER: Final = "choose another with --home or WORKBENCH_HOME"


@dataclass(frozen=True)
class Home:
    """The directory that holds the registry and every run. Directories are 0700, files 0600."""

    path: Path

    @classmethod
    def resolve(cls, option: str | Path | None = None) -> Home:
        """`--home`, else `$WORKBENCH_HOME`, else `$XDG_DATA_HOME/workbench`. Touches nothing. Raises BadInput."""
        chosen = option or os.environ.get("WORKBENCH_HOME")
        data = os.environ.get("XDG_DATA_HOME", "")
        if not chosen:
            # A relative one would make a home of every directory: the XDG specification has it passed over.
            chosen = Path(data if os.path.isabs(data) else "~/.local/share") / "workbench"
        path = expanded(chosen)
        if path.parts[:1] and path.parts[0].startswith("~"):
            raise BadInput(
                "home cannot be used (there is no such user, or HOME is not set)", where=str(path), hint=_ANOTHER
            )
        return cls(path.absolute())

    def ensure(self) -> Home:
        """Make the directories. Raises NotWritable where that is not possible."""
        try:
            for directory in (self.path, self.runs):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        if not os.access(self.path, os.W_OK | os.X_OK) or not os.access(self.runs, os.W_OK | os.X_OK):
            raise self._unusable("not writable")
        return self

    def _unusable(self, why: str) -> NotWritable:
        return NotWritable(f"home cannot be used ({why})", where=str(self.path), hint=_ANOTHER)

    @property
    def there(self) -> bool:
        """Whether any run was ever made in it. Raises BadInput where that cannot be seen."""
        try:
            os.scandir(self.runs).close()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise BadInput(
                f"home cannot be read ({error.strerror or error})", where=str(self.path), hint=_ANOTHER
            ) from error
        return True

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def tokens(self) -> Path:
        """Tokens that were made before, to be used again (`workbench cache`)."""
        return self.path / "cache" / "tokens"

    @property
    def registry(self) -> Path:
        return self.path / "registry.db"

    @property
    def ingest_lock(self) -> Path:
        return self.path / "ingest.lock"

    @property
    def settings(self) -> Path:
        return self.path / "settings.toml"


DEFAULT_COLUMNS = ("state", "name", "task", "model", "metric", "loss", "age")


@dataclass(frozen=True)
class Settings:
    """What `settings.toml` in the home may say. Unknown keys are ignored, so that an older program can read it."""

    theme: str = "textual-dark"
    slow_link: bool = False
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    keys: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, home: Home) -> Settings:
        """Raises BadInput when the file is there and is not TOML."""
        try:
            text = home.settings.read_text("utf-8")
        except OSError:
            return cls()
        import tomllib  # not on the road to the first frame where there are no settings

        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BadInput(str(error), where=str(home.settings), hint="correct or delete the file") from error
        return cls(
            theme=str(table.get("theme", cls.theme)),
            slow_link=bool(table.get("slow_link", cls.slow_link)),
            columns=tuple(str(name) for name in table.get("columns", cls.columns)),
            keys={str(key): str(value) for key, value in dict(table.get("keys", {})).items()},
        )


def recipes_dir() -> Path:
    """The shipped recipes and their data: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_recipes"
    return installed if installed.is_dir() else package.parent / "recipes"


def shipped_recipes() -> list[Path]:
    """The recipes that come with workbench, by name."""
    return sorted(recipes_dir().glob("*.toml"))


def recipe_file(given: str) -> Path:
    """The file a user means: a path, or the name of a recipe that comes with workbench."""
    path = expanded(given)
    shipped = recipes_dir() / f"{given.removesuffix('.toml')}.toml"
    if not path.exists() and "/" not in given and shipped.is_file():
        return shipped
    return path.absolute()
