"""What each style looks like: the one place where a meaning becomes a colour of the theme."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from textual.content import Content

from workbench.display.spans import Line, StyleName

# Okabe and Ito 2008: told apart by readers of every colour vision.
_SERIES: Final = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#f0e442", "#0072b2", "#999999")
_ANSI_SERIES: Final = (
    "ansi_cyan", "ansi_yellow", "ansi_green", "ansi_magenta", "ansi_red", "ansi_bright_yellow", "ansi_blue", "dim",
)  # fmt: skip

STYLES: Final[Mapping[str, str]] = {
    "bold": "bold",
    "muted": "$foreground 60%",
    "faint": "$foreground 40%",
    "track": "$foreground 20%",
    "head": "bold $foreground 60%",
    "title": "bold $text-primary",
    "accent": "$text-accent",
    "key": "bold $text-accent",
    "good": "$text-success",
    "warn": "$text-warning",
    "bad": "$text-error",
    "best": "bold $text-success",
    "bar": "$primary",
    "faint-bar": "$primary 60%",
    "right": "$success",  # a heat map blends it into the background
    "wrong": "$error",
    "even": "$text on $primary-muted",
    "odd": "$text on $secondary-muted",
    "special": "italic $text-accent on $accent-muted",
    "unknown": "bold $text on $error",
    "cut-even": "strike $foreground 38%",
    "cut-odd": "strike $foreground 38% on $panel",
    "cut-special": "strike italic $foreground 38%",
    "cut-unknown": "strike $text-error",
    "token-cursor": "bold $text on $warning",
    "token-cursor blurred": "bold underline $background on $foreground 80%",
    "cursor": "bold on $primary 35%",
    "cursor blurred": "on $foreground 10%",
    **{f"series-{shade}": colour for shade, colour in enumerate(_SERIES)},
    **{f"faint-series-{shade}": f"{colour} 45%" for shade, colour in enumerate(_SERIES)},
}

# A theme of the terminal's own sixteen colours has no shades of them: what would be one is told otherwise there.
ANSI_STYLES: Final[Mapping[str, str]] = {
    **STYLES,
    "muted": "dim",
    "faint": "dim",
    "track": "dim",
    "head": "bold dim",
    "faint-bar": "dim $primary",
    "right": "reverse $success",
    "wrong": "reverse $error",
    "even": "reverse $primary",
    "odd": "reverse $secondary",
    "special": "italic reverse $accent",
    "unknown": "bold reverse $error",
    "cut-even": "dim strike",
    "cut-odd": "dim strike underline",
    "cut-special": "dim strike italic",
    "token-cursor": "bold reverse",
    "token-cursor blurred": "bold underline",
    "cursor": "bold reverse",
    "cursor blurred": "underline",
    **{f"series-{shade}": colour for shade, colour in enumerate(_ANSI_SERIES)},
    **{f"faint-series-{shade}": f"dim {colour}" for shade, colour in enumerate(_ANSI_SERIES)},
}


def content(lines: Iterable[Line], *, ansi: bool = False) -> Content:
    """Lines as a widget of Textual's own shows them."""
    styles = ANSI_STYLES if ansi else STYLES
    shown = (Content.assemble(*((span.text, styles.get(span.style, "")) for span in line)) for line in lines)
    return Content("\n").join(shown)


def series_style(shade: int, *, faint: bool = False) -> StyleName:
    """The style of a chart's series; after the last shade the first comes again."""
    place = shade % len(_SERIES)
    return f"faint-series-{place}" if faint else f"series-{place}"  # type: ignore[return-value]  # one of the names
