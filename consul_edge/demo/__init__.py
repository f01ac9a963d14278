"""An embedded stand-in for Consul with a living data set, for the demo and the tests."""
