"""``consul-edge bench``: how fast a running edge answers, written down and compared."""
