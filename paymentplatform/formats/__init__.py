"""Times for operators: to the second, sortable, the same in every language, with their zone."""
