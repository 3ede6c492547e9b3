"""How webhooks are sent, beside the tables: signatures, turns, the ladder of tries, the twelve test cases."""
