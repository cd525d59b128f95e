"""API to live state."""
