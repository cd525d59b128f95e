"""The real command, as a process, against the fake API on a real socket: the contract of the product, rule by rule."""
