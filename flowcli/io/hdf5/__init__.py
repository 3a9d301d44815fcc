"""HDF5 of strangers, read in a process of its own: `process.py` runs it, `dataset.py` is what runs there.

The HDF5 library trusts the addresses and lengths in a file's structures: damaged ones make it crash, loop, or take
memory without bound. In a process with limits a crash is the end of that process, and one line in ours.
"""
