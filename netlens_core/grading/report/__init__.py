"""HTML reports: one page for each student and one for the class, made from stored grades and rebuilt at will.

Every page is one file that loads nothing from elsewhere and runs no script; equal grades give equal bytes.
"""

from netlens_core.grading.report.classroom import render_class
from netlens_core.grading.report.pages import write_reports
from netlens_core.grading.report.student import render_student
from netlens_core.grading.report.work import GradedWork

__all__ = ["GradedWork", "render_class", "render_student", "write_reports"]
