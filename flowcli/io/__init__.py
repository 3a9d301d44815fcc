"""Bytes and paths: images, videos, flow files; no torch, no colours."""
