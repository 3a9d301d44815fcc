"""What a user of OpenCV alone would write: `python -c SOURCE METHOD THREADS OUTPUT INPUT...`; nothing of flowcli.

Two images become a file of flow; videos become videos of flow in OUTPUT, a folder.
"""

import sys
from pathlib import Path

import cv2
import numpy as np


def make_method(name):
    """Return a function of two grey frames."""
    if name == "dis":
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        # OpenCV's stubs do not know that the initial flow may be left out.
        return lambda one, two: dis.calc(one, two, None)  # pyright: ignore[reportCallIssue, reportArgumentType]

    def farneback(one, two):
        return cv2.calcOpticalFlowFarneback(one, two, np.zeros((*one.shape, 2), np.float32), 0.5, 5, 15, 3, 5, 1.2, 0)

    return farneback


def draw(flow):
    """Return the flow in colours, BGR."""
    length, angle = cv2.cartToPolar(flow[..., 0], flow[..., 1])
    hsv = np.full((*flow.shape[:2], 3), 255, np.uint8)
    hsv[..., 0] = angle * 90 / np.pi
    hsv[..., 1] = np.minimum(length * 16, 255)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)


def main():
    """Do what the command line says."""
    name, threads, output, *inputs = sys.argv[1:]
    if threads != "-":
        cv2.setNumThreads(int(threads))
    method = make_method(name)
    if len(inputs) == 2 and inputs[0].endswith(".png"):
        one, two = (cv2.imread(path, cv2.IMREAD_GRAYSCALE) for path in inputs)
        flow = method(one, two)
        with Path(output).open("wb") as stream:
            stream.write(b"PIEH" + np.array(flow.shape[1::-1], "<i4").tobytes() + flow.astype("<f4").tobytes())
        return
    Path(output).mkdir(exist_ok=True)
    for path in inputs:
        capture = cv2.VideoCapture(path)
        writer = before = None
        while True:
            found, frame = capture.read()
            if not found:
                break
            grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
            if writer is None:
                size = (frame.shape[1], frame.shape[0])
                writer = cv2.VideoWriter(
                    str(Path(output) / Path(path).name), cv2.VideoWriter.fourcc(*"mp4v"), capture.get(5), size
                )
            else:
                writer.write(draw(method(before, grey)))
            before = grey
        if writer is None:
            sys.exit(f"{path}: cannot be read")
        writer.release()


if __name__ == "__main__":
    main()
