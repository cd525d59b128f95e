"""What the tool costs in time, memory and requests, beside its peers and beside what is unavoidable."""
