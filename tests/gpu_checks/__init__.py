"""The sections of `tests/gpu_report.py`: each is a function of a Setup that returns rows for a table."""
