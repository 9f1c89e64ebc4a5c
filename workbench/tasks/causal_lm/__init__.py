"""causal-lm: the next token, in plain text, completions or chats."""
