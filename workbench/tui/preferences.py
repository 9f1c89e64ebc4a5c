"""Writing `settings.toml`: what the user chose on screen, with their own lines and comments left as they are."""

from __future__ import annotations

from workbench.config import Home
from workbench.errors import BadInput


def save(home: Home, **choices: str | bool) -> None:
    """Set keys of the settings file. Raises BadInput where it cannot be read as TOML or written."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    from workbench.rundir import write_atomic

    path = home.ensure().settings
    try:
        document = tomlkit.parse(path.read_text("utf-8")) if path.exists() else tomlkit.document()
        document.update(choices)
        write_atomic(path, tomlkit.dumps(document))
    except (OSError, TOMLKitError, UnicodeDecodeError) as error:
        raise BadInput(f"settings cannot be kept ({error})", where=str(path), mend="mend or delete the file") from error
