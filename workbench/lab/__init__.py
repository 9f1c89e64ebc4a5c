"""The lab: one helper process that pages data, tokenizes and predicts for the interactive panes.

`client.Lab` starts it (`python -m workbench.lab`) and asks; `server` answers; `services` says who answers
what. Killing it costs nothing: the client starts another.
"""
