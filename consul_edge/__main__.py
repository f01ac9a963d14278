"""``python -m consul_edge`` is ``consul-edge``."""

from consul_edge.cli import main

if __name__ == "__main__":
    main()
