"""How fast a training step is: paired ratios against other ways to write it, and its share of what the machine can do.

``workloads`` says what is measured, ``plain`` and ``as_commonly_written`` are the steps it is measured against,
``paired`` measures two callables against each other, ``gate`` compares such a measurement with a stored one.
"""

CARD_RECORD = "card.json"  # in the folder of records: rows of a GPU
