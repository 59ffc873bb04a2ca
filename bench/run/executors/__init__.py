"""Executors: where cells run. An executor takes tasks and reports events; a cell does the same on all of them."""

EXECUTORS = ("local", "ray")
