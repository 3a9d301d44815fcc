// Pairs, unpacked when they are shown; the last few are kept, and the next one is fetched ahead while playing.

import { content, readBlock } from "./data.js";
import { readFlow, readPlane } from "./planes.js";

const KEPT_BYTES = 256e6;

const bitmaps = new Map();
const loaded = new Map();

async function readFrame(index) {
  const { block, type } = content.frames[index];
  const bitmap = await createImageBitmap(new Blob([readBlock(block)], { type }), {
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  });
  let pixels = null;
  return {
    bitmap,
    // RGBA bytes, for the read-out and for drawing without WebGL; the first picture does not wait for them.
    get pixels() {
      pixels ??= readPixels(bitmap);
      return pixels;
    },
  };
}

function readPixels(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
}

function getFrame(index) {
  if (index === null) return null;
  if (!bitmaps.has(index)) bitmaps.set(index, readFrame(index));
  return bitmaps.get(index);
}

async function read(index) {
  const pair = content.pairs[index];
  const { width, height } = pair;
  const [frame1, frame2, occluded, confidence, ...flows] = await Promise.all([
    getFrame(pair.frames[0]),
    getFrame(pair.frames[1]),
    pair.occluded && readPlane(pair.occluded, width, height),
    pair.confidence && readPlane(pair.confidence, width, height),
    ...pair.flows.map((flow) => readFlow(flow, width, height)),
  ]);
  return { ...pair, position: index, frame1, frame2, occluded, confidence, flows };
}

function forget(keep) {
  const { width, height, flows } = content.pairs[keep];
  const most = Math.max(3, Math.floor(KEPT_BYTES / (width * height * (8 * flows.length + 8))));
  for (const index of loaded.keys()) {
    if (loaded.size <= most) break;
    if (index !== keep) loaded.delete(index);
  }
  const used = new Set([...loaded.keys()].flatMap((index) => content.pairs[index].frames));
  for (const index of bitmaps.keys()) if (!used.has(index)) bitmaps.delete(index);
}

export function loadPair(index) {
  const promise = loaded.get(index) ?? read(index);
  loaded.delete(index); // the last one asked for is the last one forgotten
  loaded.set(index, promise);
  forget(index);
  return promise;
}
