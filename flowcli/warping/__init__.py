"""Frames moved by a flow: brought back, sent ahead, and what lies between two of them. NumPy and OpenCV alone."""
