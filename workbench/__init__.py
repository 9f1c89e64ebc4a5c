"""workbench: a terminal workbench for fine-tuning language models.

A recipe describes an experiment; a run is one recipe, launched. The trainer writes events into the run's
directory, the registry indexes them, and the panes show what the registry knows:

    recipe → run → events → registry → panes
"""

__version__ = "0.1.0"
