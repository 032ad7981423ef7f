"""What runs inside the sandbox, imported there as a package of its own: nothing else of grading is visible."""
