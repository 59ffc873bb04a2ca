"""Where cells run. An executor takes tasks and reports events; what a cell does is the same everywhere."""

EXECUTORS = ("local", "ray")
