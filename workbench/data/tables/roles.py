"""What a task takes from a row: its roles, and the names by which a column is recognised as one. Plain data.

A task may read rows of several shapes, such as plain text or a chat. A role has the name of a field
of `[data]`; the shape is the first whose columns are all there and that has every role the recipe names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

TEXT_NAMES: Final = (
    "text", "sentence", "review", "review_text", "review_body", "content", "text_a", "document", "comment",
    "comment_text", "body", "tweet", "tweet_text", "message", "question", "utterance", "query", "headline",
    "description", "title", "文本", "内容", "正文", "评论", "评价", "句子", "标题",
)  # fmt: skip
LABEL_NAMES: Final = (
    "label", "labels", "class", "category", "sentiment", "target", "intent", "topic", "rating", "stars", "label_text",
    "gold_label", "class_index", "emotion", "score", "标签", "类别", "分类", "情感", "意图",
)  # fmt: skip


@dataclass(frozen=True)
class Role:
    """One thing a task takes from a row. `usual` are names it is recognised by, the likeliest first; several together
    are columns that make one text.

    `texts`: its values are strings. `likely`: where no name tells, the likeliest column will do. A row without a
    `filled` role is dropped; a role that is not `needed` may have no column. With `nothing` an empty list is a value
    like any other.
    """

    name: str
    usual: tuple[str | tuple[str, ...], ...]
    texts: bool = True
    likely: bool = False
    filled: bool = True
    needed: bool = True
    nothing: bool = False


@dataclass(frozen=True)
class Shape:
    """Roles that make a row, and which of them, in this order, are what a reader reads of it.

    `blocks`: the texts are cut into blocks of tokens, all of a split as one stream, or each document by itself.
    """

    name: str
    roles: tuple[Role, ...]
    reads: tuple[str, ...]
    blocks: Literal["stream", "documents"] | None = None


TEXT: Final = Role("text", TEXT_NAMES, likely=True)
LABEL: Final = Role("label", LABEL_NAMES, texts=False, likely=True, nothing=True)
