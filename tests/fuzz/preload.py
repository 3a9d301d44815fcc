"""Imported once by the server of workers: what takes long, in front of every worker's work."""

import av
import cv2
import h5py
import numpy
import OpenEXR
import torch

import fuzz.targets
import fuzz.worker

__all__ = ["OpenEXR", "av", "cv2", "fuzz", "h5py", "numpy", "torch"]
