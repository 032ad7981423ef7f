"""Grades as other platforms take them in: Canvas, Moodle, Gradescope, plain CSV, Parquet. One module a format."""
