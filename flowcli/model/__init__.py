"""The network: its configuration, the reference module, and the way from frames to tensors."""
