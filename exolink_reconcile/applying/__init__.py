"""A plan to outcomes: the effects."""
