"""What each style looks like: the one place where a meaning becomes a colour of the theme."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from textual.color import Color
from textual.content import Content
from textual.style import Style
from textual.widget import Widget

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


# How much a style must stand out, as WCAG 2.1 counts it: text 4.5, what may be passed over and lines of charts 3.
TEXT: Final = 4.5
_LEAST: Final[Mapping[str, float]] = {
    "faint": 3.0, "track": 1.2, "bar": 2.0, "faint-bar": 1.5, "cut-even": 3.0, "cut-odd": 3.0, "cut-special": 3.0,
    **{f"series-{shade}": 3.0 for shade in range(len(_SERIES))},
    **{f"faint-series-{shade}": 2.0 for shade in range(len(_SERIES))},
}  # fmt: skip


def look_of(name: str, widget: Widget, below: Style) -> Style:
    """The style as the theme has it, over `below`, legible whatever the theme: its colour moves as far as it must."""
    ansi = widget.app.native_ansi_color
    table = ANSI_STYLES if ansi else STYLES
    look = table.get(name, "") if widget.has_focus else table.get(f"{name} blurred", table.get(name, ""))
    style = below + widget.app.stylesheet.parse_style(look) if look else below
    return style if ansi else made_legible(style, _LEAST.get(name, TEXT))


def made_legible(style: Style, least: float) -> Style:
    """The style with a colour that stands out from its background at least so much, in shades of grey too."""
    if style.foreground is None or style.background is None or style.background.ansi is not None:
        return style
    below = style.background.rgb
    towards = Color(255, 255, 255) if contrast((255, 255, 255), below) > contrast((0, 0, 0), below) else Color(0, 0, 0)
    colour = style.background + style.foreground
    for share in range(11):
        moved = colour.blend(towards, share / 10)
        if min(contrast(moved.rgb, below), contrast(moved.monochrome.rgb, style.background.monochrome.rgb)) >= least:
            break
    return style + Style(foreground=moved) if share else style


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.1)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: tuple[int, int, int]) -> float:
    shares = (part / 255 for part in colour)
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def content(lines: Iterable[Line], widget: Widget) -> Content:
    """Lines as a widget of Textual's own shows them on `widget`."""
    below = Style(background=widget.background_colors[1], foreground=widget.colors[2])
    shown = (Content.assemble(*((span.text, look_of(span.style, widget, below)) for span in line)) for line in lines)
    return Content("\n").join(shown)


def series_style(shade: int, *, faint: bool = False) -> StyleName:
    """The style of a chart's series; after the last shade the first comes again."""
    place = shade % len(_SERIES)
    return f"faint-series-{place}" if faint else f"series-{place}"  # type: ignore[return-value]  # one of the names
