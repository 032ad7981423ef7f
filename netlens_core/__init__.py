"""netlens: an auto-graded course in looking inside convolutional networks and making images with them."""

__version__ = "0.1.0"
