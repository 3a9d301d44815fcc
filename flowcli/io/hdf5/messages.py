"""How the two processes talk: structures that both sides read and write."""

from __future__ import annotations

import struct

REQUEST = struct.Struct("<64sQ")
"""The name of a dataset, padded with zeros, and the length of the file that follows."""
MESSAGE = struct.Struct("<cQ")
"""The kind of a message and the length of its content."""
SIZE = struct.Struct("<QQ")
"""Height and width in pixels."""
