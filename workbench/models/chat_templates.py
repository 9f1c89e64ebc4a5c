"""Chat templates for a tokenizer that has none, or not the one wanted: by name, or in a file of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from workbench.core.errors import BadInput
from workbench.core.paths import expanded
from workbench.core.suggest import nearest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_END: Final = "<|im_end|>"
# Tools and calls are written as Qwen2.5 and Hermes write them.
CHATML: Final = """\
{%- if tools %}
{{- '<|im_start|>system\\n' }}
{%- if messages and messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
{{- 'You may call these functions:\\n<tools>\\n' }}
{%- for tool in tools %}{{- tool | tojson + '\\n' }}{%- endfor %}
{{- '</tools>\\nA call is <tool_call>\\n{"name": …, "arguments": …}\\n</tool_call>.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{%- if not (tools and loop.first and message.role == 'system') %}
{{- '<|im_start|>' + message.role + '\\n' + (message.content or '') }}
{%- for call in message.tool_calls or [] %}
{{- '\\n' if message.content or not loop.first else '' }}
{{- '<tool_call>\\n' + call.function | tojson + '\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""
NAMED: Final = {"chatml": CHATML}


def text_of(asked: str, search: Sequence[Path]) -> str:
    """The template of that name, or in the file. Relative paths are looked for in `search`. Raises BadInput."""
    if asked in NAMED:
        return NAMED[asked]
    file = expanded(asked)
    found = next((path for place in (search or [Path()]) if (path := place / file).is_file()), None)
    if found is None:
        raise BadInput(
            f"no file and no known template {asked!r}{nearest(asked, NAMED)}",
            where="model.chat_template",
            hint=f"give a file in Jinja, or {', '.join(NAMED)}",
        )
    try:
        return found.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot be read ({error})", where=str(found), hint="give a file in Jinja, as UTF-8") from error


def give(tokenizer: PreTrainedTokenizerBase, asked: str, search: Sequence[Path]) -> None:
    """Writes chats from now on by that template.

    Where the tokenizer has no token for the end of a turn that a known template writes, its end token stands for it.
    Raises BadInput.
    """
    text = text_of(asked, search)
    if asked in NAMED and _END not in tokenizer.get_vocab() and tokenizer.eos_token:
        text = text.replace(_END, str(tokenizer.eos_token))
    tokenizer.chat_template = text
