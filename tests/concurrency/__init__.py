"""Races between real processes, threads and connections: one winner, one effect, and the money agrees."""
