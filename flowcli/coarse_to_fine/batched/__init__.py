"""Steps of `coarse_to_fine` that the host does with OpenCV and numpy, as batched torch operations.

They are for devices other than the CPU: whole batches at once, nothing that waits for the device. On a CPU the host's
forms take less time and are what these are tested against (`tests/coarse_to_fine/test_batched_*.py`); which of the two
is used is decided in the file of each step, by `runtime.device.has_host_form`.
"""
