"""Where in a file the fault lies: readers are fast and say little, so a second, careful look finds the line."""

from __future__ import annotations

import codecs
from pathlib import Path

from workbench.errors import DataError
from workbench.text import clean, cut

_BOMS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


def quoted(value: object, width: int = 40) -> str:
    """A value from the data as it may stand in a message: cleaned, cut, in single quotes."""
    return f"'{cut(clean(str(value)), width)}'"


def read_bytes(path: Path) -> bytes:
    """The file's bytes without a UTF-8 byte order mark. Raises DataError where it cannot be read or is empty."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data.strip():
        raise empty(path)
    return data


def unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"cannot be read ({error.strerror or error})", where=str(path))


def empty(path: Path) -> DataError:
    return DataError("the file is empty", where=str(path), mend="name a file that has rows")


def encoding_fault(path: Path, data: bytes) -> DataError | None:
    """The DataError for bytes that are no UTF-8, with the line of the first of them; None where all is well."""
    for bom, name in _BOMS.items():
        if data.startswith(bom):
            return DataError(f"the file is {name}, not UTF-8", where=str(path), mend=_iconv(name, path))
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return DataError(
            f"byte 0x{data[error.start]:02x} is not UTF-8",
            where=f"{path}:{line}",
            mend=f"if the file is Latin-1, re-encode it with `{_iconv('latin1', path)}`",
        )
    return None


def _iconv(encoding: str, path: Path) -> str:
    return f"iconv -f {encoding} -t utf-8 {path.name} > utf8-{path.name}"
