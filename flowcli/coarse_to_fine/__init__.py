"""The coarse-to-fine method, to be read from `pipeline.py` on; `config.py` has every tunable."""
