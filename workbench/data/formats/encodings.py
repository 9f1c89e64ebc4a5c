"""In which encoding a text is that is no UTF-8: told by the letters that it would have in each.

A guess that is wrong turns letters into others, and nothing would say so afterwards. So an encoding is named only where
all bytes can be read in it and many of its characters are ones that its language has often; of languages in Latin
letters Windows-1252 is meant, which holds Latin-1's letters and what spreadsheets add (curly quotes, dashes, €).
"""

from __future__ import annotations

import re
from typing import Final

_SAMPLE: Final = 1 << 17  # bytes of lines that are not ASCII
_CHINESE: Final = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法"
    "学如都同现当没动面起看定天分还进好小部其些主样理心本前开但因只从想实文标签评价很非常差感觉服务质量喜欢"
)
_TRADITIONAL: Final = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家種事成方多經麼去法"
    "學如都同現當沒動面起看定天分還進好小部其些主樣理心本前開但因只從想實文標籤評價很非常差感覺服務質量喜歡"
)
_HIRAGANA: Final = "".join(map(chr, range(0x3041, 0x3094)))
# The name Python has, the one iconv has, and what is frequent in it.
_OFTEN: Final = (
    ("gb18030", "GB18030", _CHINESE),
    ("cp950", "BIG5", _TRADITIONAL),
    ("cp932", "CP932", _HIRAGANA),
    ("euc_jp", "EUC-JP", _HIRAGANA),
    ("cp949", "CP949", "이다의는에을가고한하지를로도은사어기아니그시있나자정인서수보들게해라리만대여부일안것요좋"),
    ("cp1251", "CP1251", "оеаинтсрвл"),
    ("koi8_r", "KOI8-R", "оеаинтсрвл"),
    ("cp1253", "CP1253", "αοιετσνηυρ"),
    ("cp1255", "CP1255", "יוהלאתרבמש"),
    ("cp1256", "CP1256", "اليمونرتبة"),
    ("cp874", "CP874", "านรกเงอมยล่วดท้สตะปบคีัไแ"),
)
_ENOUGH: Final = 0.25  # of the characters beyond ASCII; of a language's own about half are among these
_RUN: Final = 1.7  # bytes beyond ASCII one after the other, on average: in Latin letters they stand alone
_CENTRAL: Final = "ąćęłńśźżĄĆĘŁŃŚŹŻěščřžýůďťňĚŠČŘŽŮőűŐŰ"
_TURKISH: Final = "ğışİĞŞ"


def likely(data: bytes) -> str | None:
    """The name that iconv has for the encoding of some lines that are no UTF-8; None where none is likely."""
    sample = b"\n".join(line for line in data[: _SAMPLE * 8].splitlines() if not line.isascii())[:_SAMPLE]
    sample = sample[: sample.rfind(b"\n")] if len(sample) == _SAMPLE else sample
    runs = re.findall(rb"[\x80-\xff]+", sample)
    if not runs:
        return None
    scores = [(_share(sample, name, often), iconv, name) for name, iconv, often in _OFTEN]
    best, iconv, name = max(scores)
    if sum(map(len, runs)) / len(runs) >= _RUN and best >= _ENOUGH and _reads(data, name):
        return iconv
    return next((iconv for name, iconv in _latin(sample) if _reads(data, name)), None)


def _share(sample: bytes, encoding: str, often: str) -> float:
    """Of the characters beyond ASCII those that are frequent; 0 where the bytes are none in this encoding."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return 0.0
    beyond = [character for character in text if ord(character) > 127]
    return sum(character in often for character in beyond) / max(1, len(beyond))


def _latin(sample: bytes) -> list[tuple[str, str]]:
    """Encodings of Latin letters, the likeliest first."""
    western = ("cp1252", "CP1252")  # never Latin-1, whose other bytes are control characters
    central = _share(sample, "cp1250", _CENTRAL)
    turkish = _share(sample, "cp1254", _TURKISH)
    # These bytes are symbols in Windows-1252, between letters, where Polish and Czech have letters.
    if central > 0.3 and re.search(r"[A-Za-z][¹³¿ŸœêæñÆ£¯¼¾ìèøù]+[a-z]", sample.decode("cp1252", "replace")):
        odd = _share(sample, "cp1252", "¹³¿ŸœæìøùÌØÙ¼¾¯£")
        if odd > 0.2:
            return [("cp1250", "CP1250"), western]
    return [("cp1254", "CP1254"), western] if turkish > 0.3 else [western]


def _reads(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        return error.end == len(data)  # a block may end within a character
    return True


def is_mostly_utf8(data: bytes) -> bool:
    """Whether most characters beyond ASCII are UTF-8, so that only some bytes are of something else."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return sum(ord(character) > 127 for character in text) - broken > 2 * broken
