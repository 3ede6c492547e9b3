"""The merchant API of acquiring: parse, one call, render."""
