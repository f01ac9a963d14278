"""
How often the settings were exchanged: what was made of them is made again when the number moved.
"""


class Generation:
    """Counts them."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        """Begin with the settings of the start."""
        self.number = 0

    def advance(self) -> None:
        """Note that everybody has adopted others."""
        self.number += 1
