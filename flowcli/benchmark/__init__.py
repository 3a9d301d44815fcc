"""What estimating costs: seconds, memory and arithmetic, per stage, size and model, and against other programs."""
