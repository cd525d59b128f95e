"""The plan on disk."""
