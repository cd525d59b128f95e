"""YAML to desired state."""
