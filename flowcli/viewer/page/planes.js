// Planes of numbers as `flowcli/viewer/planes.py` packs them: deflated bytes, all lowest bytes of the words first; words
// are differences from the left neighbour, or from the plane through the left, upper and upper left ones.

import { readBlock } from "./data.js";

export const UNKNOWN = 1e10; // Middlebury's mark

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function joinBytes(planar, bits, count) {
  if (bits === 8) return planar;
  const words = bits === 16 ? new Uint16Array(count) : new Uint32Array(count);
  if (bits === 16) {
    for (let i = 0; i < count; i += 1) words[i] = planar[i] | (planar[count + i] << 8);
  } else {
    const [b1, b2, b3] = [count, 2 * count, 3 * count];
    for (let i = 0; i < count; i += 1) {
      words[i] = planar[i] | (planar[b1 + i] << 8) | (planar[b2 + i] << 16) | (planar[b3 + i] << 24);
    }
  }
  return words;
}

// Typed arrays wrap around as the words do that were subtracted.
function undoDifferences(words, width, filter) {
  for (let start = 0; start < words.length; start += width) {
    if (filter === "plane" && start > 0) {
      let row = words[start];
      words[start] = row + words[start - width];
      for (let i = start + 1; i < start + width; i += 1) {
        row = (row + words[i]) | 0;
        words[i] = row + words[i - width];
      }
    } else {
      for (let i = start + 1; i < start + width; i += 1) words[i] += words[i - 1];
    }
  }
  return words;
}

export async function readPlane(plane, width, height) {
  const planar = await inflate(readBlock(plane.block));
  return undoDifferences(joinBytes(planar, plane.bits, width * height), width, plane.filter);
}

function halfToFloat(code) {
  const sign = code & 0x8000 ? -1 : 1;
  const exponent = (code >> 10) & 31;
  const fraction = code & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

// Kind -> the numbers that words stand for, still without their step.
const READERS = {
  float32: (words) => new Float32Array(words.buffer, words.byteOffset, words.length),
  fixed16: (words) => new Int16Array(words.buffer, words.byteOffset, words.length),
  float16: (words) => {
    const table = Float32Array.from({ length: 65536 }, (_, code) => halfToFloat(code));
    return Float32Array.from(words, (code) => table[code]);
  },
};

// -> { uv: Float32Array of u, v, u, v ..., width, height, step, exact }; both are UNKNOWN where the flow is.
export async function readFlow(flow, width, height) {
  const [u, v, known] = await Promise.all([
    readPlane(flow.u, width, height),
    readPlane(flow.v, width, height),
    flow.known && readPlane(flow.known, width, height),
  ]);
  const read = READERS[flow.kind];
  const [us, vs] = [read(u), read(v)];
  const step = flow.step || 1;
  const uv = new Float32Array(2 * us.length);
  for (let i = 0; i < us.length; i += 1) {
    uv[2 * i] = us[i] * step;
    uv[2 * i + 1] = vs[i] * step;
  }
  if (known) {
    for (let i = 0; i < us.length; i += 1) if (!known[i]) uv.fill(UNKNOWN, 2 * i, 2 * i + 2);
  }
  return { uv, width, height, step: flow.step, exact: flow.exact };
}
