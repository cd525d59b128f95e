"""exolink-reconcile: declare an Exolink estate in YAML, plan the difference, apply exactly that."""

__version__ = "0.1.0"
