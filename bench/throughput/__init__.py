"""Speed of a training step: paired ratios to other implementations, and its share of the machine's peak.

``workloads`` defines what is measured, ``plain`` and ``as_commonly_written`` are the implementations to compare with,
``paired`` measures two callables against each other, ``gate`` compares a measurement with a stored one.
"""

CARD_RECORD = "card.json"  # in the folder of records: measurements of a GPU
