"""`flowcli bench --suite`: what estimating costs and how good it is, beside other methods, in one interleaved run.

`scope` says what is measured and `contestants` who takes part; `pairs` keeps a process per contestant that
answers in turn (`workers`, `worker`), `commands` runs whole commands; `material` makes inputs; `report` is the table
and `chart` the picture. Runs take turns, so that a busy machine slows all of them; what is told are seconds and, of
runs side by side, ratios with their spread.
"""
