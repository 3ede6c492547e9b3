"""Channels: translators between the engine and outside institutions. They never touch the database."""
