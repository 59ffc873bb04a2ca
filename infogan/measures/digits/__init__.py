"""Relation of categories and continuous codes to digits."""
