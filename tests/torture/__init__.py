"""A randomized history on the real Consul, and the judge that justifies each operation of it."""
