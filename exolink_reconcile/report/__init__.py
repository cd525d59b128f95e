"""Plans, outcomes and diagnostics as text for people and machines. Pure: values in, text out; only `cli` prints."""
