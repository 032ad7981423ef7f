"""How a submission becomes a grade."""

import sys

# jsonschema, with which nbformat checks notebooks, builds a grammar with this where it is installed, which takes more
# than a second of every command. Only the format "iri" needs it, which no notebook's schema has.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
