"""Prompts with their completions, and chats, as the Tokens pane shows them."""

from __future__ import annotations

from workbench.tasks.causal_lm.spec import CausalLMData
from workbench.tasks.shared.row_texts import IGNORED, RowText, RowTexts


class PromptsAndChats(RowTexts[CausalLMData]):
    """A text; of a prompt and its completion what is learned, too."""

    def of(self, split: str, at: int) -> RowText:
        shape = self.splits.columns.shape
        if shape.name == "chat":
            return RowText(self.text(split, at, None))
        if shape.name != "completion":
            return super().of(split, at)
        prompt, completion = (self.text(split, at, role) for role in shape.reads)
        whole = prompt + completion
        return RowText(whole, None, [(0, len(prompt), len(whole), "learnt")], rest=IGNORED)
