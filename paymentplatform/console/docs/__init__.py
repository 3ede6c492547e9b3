"""What of ``docs/`` is made from the code, so that it cannot lie: errors, machines, tables, the API's schema."""
