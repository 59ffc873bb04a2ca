"""``python -m bench gpu``: run everything that needs a GPU within a time limit, and collect results to carry home.

``steps`` lists the steps in order, ``supervise`` runs one of them within its limit, ``session`` runs all and writes the
summary, ``machine`` describes GPU and versions.
"""
