"""Kinds of proposals: one file for each, all of them in ``table.KINDS``."""
