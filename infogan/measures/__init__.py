"""Measures of trained networks. All use frozen batch-norm statistics, so no result depends on its batch."""
