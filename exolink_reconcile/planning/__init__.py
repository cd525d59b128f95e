"""Desired and live state to a plan: facts, then decisions; pure."""
