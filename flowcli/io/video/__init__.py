"""Video files, by PyAV: their index, and writing and joining them. Frames are read by `sources.video`."""
