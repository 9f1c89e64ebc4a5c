"""Writing `settings.toml`: what the user chose on screen, with their own lines and comments left as they are."""

from __future__ import annotations

from workbench.core.errors import BadInput
from workbench.core.home import Home


def save(home: Home, **choices: str | bool) -> None:
    """Set keys of the settings file. Raises BadInput where it cannot be read as TOML or written."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    from workbench.core.rundir import write_atomic

    path = home.ensure().settings
    try:
        document = tomlkit.parse(path.read_text("utf-8")) if path.exists() else tomlkit.document()
        document.update(choices)
        write_atomic(path, tomlkit.dumps(document))
    except (OSError, TOMLKitError, UnicodeDecodeError) as error:
        raise BadInput(f"settings cannot be kept ({error})", where=str(path), hint="correct or delete it") from error
