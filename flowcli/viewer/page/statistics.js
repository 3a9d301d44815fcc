// Figures of a pair: means over boxes, histograms, errors. Unknown pixels take part in none of them.

import { content } from "./data.js";
import { isKnown } from "./colors.js";

// Mean flow of a box of pixels, both ends included -> { u, v, length, count, deviation }, or null.
export function meanOfBox(flow, [x0, y0, x1, y1]) {
  let [count, u, v, square] = [0, 0, 0, 0];
  for (let y = y0; y <= y1; y += 1) {
    for (let place = y * flow.width + x0; place <= y * flow.width + x1; place += 1) {
      const [a, b] = [flow.uv[2 * place], flow.uv[2 * place + 1]];
      if (!isKnown(a)) continue;
      count += 1;
      u += a;
      v += b;
      square += a * a + b * b;
    }
  }
  if (count === 0) return null;
  const mean = { u: u / count, v: v / count, count };
  const variance = square / count - mean.u ** 2 - mean.v ** 2;
  return { ...mean, length: Math.hypot(mean.u, mean.v), deviation: Math.sqrt(Math.max(0, variance)) };
}

const FINE = 16384;

// The lengths of a field, counted once in fine bins up to the largest -> { fine, known, mean, median, largest }.
export function countLengths(flow) {
  const lengths = new Float32Array(flow.width * flow.height);
  let [known, sum, largest] = [0, 0, 0];
  for (let i = 0; i < flow.uv.length; i += 2) {
    if (!isKnown(flow.uv[i])) continue;
    const length = Math.sqrt(flow.uv[i] ** 2 + flow.uv[i + 1] ** 2);
    lengths[known] = length;
    known += 1;
    sum += length;
    if (length > largest) largest = length;
  }
  const fine = new Uint32Array(FINE);
  const perPixel = largest ? (FINE - 1) / largest : 0;
  for (let i = 0; i < known; i += 1) fine[Math.floor(lengths[i] * perPixel)] += 1;
  let [place, below] = [0, 0];
  while (place < FINE - 1 && below + fine[place] < known / 2) below += fine[place++];
  const median = perPixel ? (place + 0.5) / perPixel : 0;
  return { fine, known, mean: known ? sum / known : 0, median, largest };
}

// Counted lengths in `count` equal bins from 0 to `most` px, and one for all beyond.
export function binLengths({ fine, largest }, most, count) {
  const bins = new Uint32Array(count + 1);
  fine.forEach((number, place) => {
    const length = ((place + 0.5) * largest) / FINE;
    bins[Math.min(count, Math.floor((length / most) * count))] += number;
  });
  return bins;
}

// Endpoint error per pixel in px, NaN where either flow is unknown -> { error, epe, known }.
export function compareFlows(first, second) {
  const error = new Float32Array(first.width * first.height);
  let [sum, known] = [0, 0];
  for (let place = 0; place < error.length; place += 1) {
    const [u, v] = [first.uv[2 * place], first.uv[2 * place + 1]];
    const [u2, v2] = [second.uv[2 * place], second.uv[2 * place + 1]];
    if (!isKnown(u) || !isKnown(u2)) {
      error[place] = NaN;
      continue;
    }
    const distance = Math.sqrt((u - u2) ** 2 + (v - v2) ** 2);
    error[place] = distance;
    sum += distance;
    known += 1;
  }
  return { error, epe: known ? sum / known : NaN, known };
}

// The worst of square cells by mean error, none beside another -> [{ x, y, error, mean }]: the worst pixel of each.
export function worstPlaces({ error }, width, height, count) {
  const cell = Math.max(4, Math.round(Math.min(width, height) / 24));
  const columns = Math.ceil(width / cell);
  const cells = Array.from({ length: columns * Math.ceil(height / cell) }, () => ({ sum: 0, known: 0, error: -1 }));
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const value = error[y * width + x];
      if (Number.isNaN(value)) continue;
      const one = cells[Math.floor(y / cell) * columns + Math.floor(x / cell)];
      one.sum += value;
      one.known += 1;
      if (value > one.error) Object.assign(one, { error: value, x, y });
    }
  }
  const ranked = cells.filter((one) => one.known > 0).map((one) => ({ ...one, mean: one.sum / one.known }));
  ranked.sort((a, b) => b.mean - a.mean);
  const chosen = [];
  for (const one of ranked) {
    if (chosen.length === count) break;
    if (chosen.every((other) => Math.hypot(other.x - one.x, other.y - one.y) > 2 * cell)) chosen.push(one);
  }
  return chosen;
}

// Where a pixel goes, in pixels of the stored frame -> [x, y], or null.
export function matchOf(flow, x, y) {
  const place = 2 * (y * flow.width + x);
  if (!isKnown(flow.uv[place])) return null;
  return [x + flow.uv[place] / content.reduction, y + flow.uv[place + 1] / content.reduction];
}
