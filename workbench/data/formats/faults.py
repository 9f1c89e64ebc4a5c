"""Where in a file the fault lies: readers are fast and say little, so a second, careful look finds the line."""

from __future__ import annotations

import codecs
import shlex
from pathlib import Path

from workbench.core.errors import DataError
from workbench.core.text import clean, cut
from workbench.data.formats import encodings

# Of UTF-16 and UTF-32 in the smaller end first, the mark of one begins that of the other.
_BOMS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_PIECE = 1 << 20


def quoted(value: object, width: int = 40) -> str:
    """A value from the data as it may stand in a message: cleaned, cut, in single quotes."""
    return f"'{cut(clean(_head(value, width)), width)}'"


def _head(value: object, width: int) -> str:
    """Enough of a value's text to be cut: that of a list of a million words is never made."""
    if isinstance(value, str):
        return value[: 8 * width]
    if isinstance(value, list | tuple):
        return str(value[:width])
    return str(value)[: 8 * width]


def unreadable(path: Path, error: Exception) -> DataError:
    reason = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    return DataError(f"cannot be read ({clean(reason)})", where=str(path))


def empty(path: Path) -> DataError:
    return DataError("the file is empty", where=str(path), hint="name a file that has rows")


def encoding_fault(path: Path, data: bytes, first: int = 1) -> DataError | None:
    """The DataError for bytes that are no UTF-8, with the line of the first of them; None where all is well.

    `data` are whole lines, of which the first has the number `first`.
    """
    if first == 1 and (fault := _wide(path, data)):
        return fault
    at = _first_bad(data)
    if at is None:
        return None
    where = f"{path}:{first + len(lines(data[:at] + b'.')) - 1}"
    if data[at] == 0xED and data[at + 1 : at + 2] >= b"\xa0":
        return DataError(
            f"bytes {data[at : at + 3].hex(' ')} are half a surrogate pair, not UTF-8",
            where=where,
            hint="the file is CESU-8 (from Java or Oracle): write it again as UTF-8",
        )
    return DataError(f"byte 0x{data[at]:02x} is not UTF-8", where=where, hint=_remedy(path, data))


def _remedy(path: Path, data: bytes) -> str:
    if encodings.is_mostly_utf8(data):
        dropped = f"iconv -c -f utf-8 -t utf-8 {shlex.quote(path.name)} > {shlex.quote(f'utf8-{path.name}')}"
        return f"the rest is UTF-8: correct that line, or leave such bytes out with `{dropped}`"
    name = encodings.likely(data)
    if name is None:
        return "write the file as UTF-8, with the program that made it"
    return f"the file looks like {name}: re-encode it with `{_iconv(name, path)}`, and look at its letters"


def _wide(path: Path, data: bytes) -> DataError | None:
    """The DataError for text of two or four bytes a character, by its mark, or by its zeros where it has none."""
    name = next((name for bom, name in _BOMS.items() if data.startswith(bom)), None)
    head = data[:1000]
    if name is None and len(head) > 3 and head.count(0) > 0.4 * len(head):
        first = head[0] == 0
        name = "UTF-16BE" if first else "UTF-16LE"
    if name is None:
        return None
    return DataError(f"the file is {name}, not UTF-8", where=str(path), hint=_iconv(name, path))


def _first_bad(data: bytes) -> int | None:
    """Where the first byte is that is no UTF-8. The text of it all would be four times as large."""
    start = 0
    while start < len(data):
        piece = data[start : start + _PIECE]
        try:
            _, used = codecs.utf_8_decode(piece, "strict", start + len(piece) == len(data))
        except UnicodeDecodeError as error:
            return start + error.start
        start += used
    return None


def lines(data: bytes) -> list[bytes]:
    """Lines as every reader here counts them: they end with LF, CRLF or a lone CR."""
    return data.splitlines()


def _iconv(encoding: str, path: Path) -> str:
    """The command that writes the file as UTF-8 beside it."""
    packed = path.suffix.lower() == ".gz"
    to = f"utf8-{path.name.removesuffix('.gz') if packed else path.name}"
    source = f"gunzip -c {shlex.quote(path.name)} | iconv -f {encoding} -t utf-8" if packed else ""
    return f"{source or f'iconv -f {encoding} -t utf-8 {shlex.quote(path.name)}'} > {shlex.quote(to)}"
