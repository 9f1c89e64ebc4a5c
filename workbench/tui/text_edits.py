"""The edits of Textual's TextArea, whose classes Textual keeps in private modules. Tried with textual 8.2.8."""

from textual.document._document import EditResult
from textual.document._edit import Edit

__all__ = ["Edit", "EditResult"]
