"""The analyser of networks: what each layer does, to what shape, with which weights, at what cost.

    analysis = analyze(load_network("squeezenet1_1"), size=227)
    for row in analysis.rows: print(row.name, row.type, row.activations, row.learnables)

One forward pass is watched, function by function (`recording`); each call becomes a row (`describing`, `fields`,
`names`); rows add up to totals and warnings (`analyzing`); `tables` and `page` show them.
"""

from netlens_core.methods.analysis.analyzing import Analysis, LayerError, Row, analyze
from netlens_core.methods.analysis.fields import Field

__all__ = ["Analysis", "Field", "LayerError", "Row", "analyze"]
