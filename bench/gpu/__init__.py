"""``python -m bench gpu``: all that a GPU is wanted for, in as many minutes as there are, and what to carry home.

``steps`` says what is done in which order, ``supervise`` runs one of them within its limit, ``session`` runs all and
keeps the summary, ``machine`` tells card and versions.
"""
