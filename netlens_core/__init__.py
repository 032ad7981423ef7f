"""netlens: an auto-graded course in looking inside convolutional networks and making images with them."""

__version__ = "0.1.0"


class NetlensError(Exception):
    """A mistake that its message explains to the user: what is wrong, where, and what to do."""
