// Draws panels without WebGL2: pixel by pixel into pictures of the frame's size, which are kept while nothing that they
// depend on changes. Slower, and otherwise the same.

import { content } from "./data.js";
import { colorOf, colorOfError, isKnown } from "./colors.js";
import { currentZoom, origin } from "./panels.js";
import { state } from "./state.js";

function sampleFrame2(pair, x, y) {
  const { width, height } = pair;
  const pixels = pair.frame2.pixels;
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [fx, fy] = [x - left, y - top];
  const sum = [0, 0, 0];
  for (const [column, row, weight] of [
    [left, top, (1 - fx) * (1 - fy)],
    [left + 1, top, fx * (1 - fy)],
    [left, top + 1, (1 - fx) * fy],
    [left + 1, top + 1, fx * fy],
  ]) {
    if (column < 0 || row < 0 || column >= width || row >= height) continue;
    const place = 4 * (row * width + column);
    for (let c = 0; c < 3; c += 1) sum[c] += weight * pixels[place + c];
  }
  return sum;
}

function warpedAt(pair, uv, place) {
  const u = uv[2 * place];
  if (!isKnown(u)) return [0, 0, 0];
  const x = (place % pair.width) + u / content.reduction;
  const y = Math.floor(place / pair.width) + uv[2 * place + 1] / content.reduction;
  return sampleFrame2(pair, x, y);
}

const colorAt = (pixels, place) => [pixels[4 * place], pixels[4 * place + 1], pixels[4 * place + 2]];
const mix = (a, b, weight) => a.map((level, c) => level + weight * (b[c] - level));

const PAINTERS = {
  flow: (pair, uv, place) => {
    const color = colorOf(uv[2 * place], uv[2 * place + 1], state.style, state.scale);
    return pair.frame1 ? mix(colorAt(pair.frame1.pixels, place), color, state.opacity) : color;
  },
  frame1: (pair, uv, place) => colorAt(pair.frame1.pixels, place),
  frame2: (pair, uv, place) => colorAt(pair.frame2.pixels, place),
  warped: warpedAt,
  difference: (pair, uv, place) => {
    const other = warpedAt(pair, uv, place);
    return colorAt(pair.frame1.pixels, place).map((level, c) => Math.min(255, state.gain * Math.abs(level - other[c])));
  },
  split: (pair, uv, place) => {
    const edge = state.split * pair.width;
    return (place % pair.width) + 0.5 < edge ? colorAt(pair.frame1.pixels, place) : warpedAt(pair, uv, place);
  },
  error: (pair, uv, place, other) => {
    const there = isKnown(uv[2 * place]) && isKnown(other[2 * place]);
    return colorOfError(
      there ? Math.hypot(uv[2 * place] - other[2 * place], uv[2 * place + 1] - other[2 * place + 1]) : Infinity,
    );
  },
};

function addMasks(pair, uv, place, color) {
  let shown = color;
  if (state.confidence && pair.confidence) shown = shown.map((c) => c * (0.12 + (0.88 * pair.confidence[place]) / 255));
  if (state.occlusion && pair.occluded?.[place]) shown = [230, 26, 128];
  if (state.lookup) {
    const { u, v, radius } = state.lookup;
    if (!(Math.hypot(uv[2 * place] - u, uv[2 * place + 1] - v) <= radius)) shown = shown.map((c) => 31 + c * 0.12);
  }
  return shown;
}

function paint(pair, panel) {
  const { uv } = pair.flows[panel.flow];
  const other = pair.flows[1 - panel.flow]?.uv;
  const image = new ImageData(pair.width, pair.height);
  const painter = PAINTERS[panel.show];
  for (let place = 0; place < pair.width * pair.height; place += 1) {
    const color = painter(pair, uv, place, other);
    const [r, g, b] = panel.show === "frame2" ? color : addMasks(pair, uv, place, color);
    image.data.set([r, g, b, 255], 4 * place);
  }
  const canvas = new OffscreenCanvas(pair.width, pair.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

export function createCanvasRenderer(canvas) {
  const context = canvas.getContext("2d", { alpha: false });
  const painted = new Map(); // of a panel -> { key, canvas }

  return {
    name: "canvas 2D",
    draw(pair, panels, background, ratio) {
      const { style, scale, opacity, split, gain, occlusion, confidence, lookup } = state;
      const key = JSON.stringify([pair.position, style, scale, opacity, split, gain, occlusion, confidence, lookup]);
      context.fillStyle = `rgb(${background.join(" ")})`;
      context.fillRect(0, 0, canvas.width, canvas.height);
      for (const panel of panels) {
        const name = `${panel.show} ${panel.flow}`;
        if (painted.get(name)?.key !== key) painted.set(name, { key, canvas: paint(pair, panel) });
        const zoom = currentZoom(pair, panel) * ratio;
        const [x, y] = origin(pair, panel);
        context.save();
        context.beginPath();
        context.rect(panel.x * ratio, panel.y * ratio, panel.width * ratio, panel.height * ratio);
        context.clip();
        context.imageSmoothingEnabled = zoom < 1;
        const { canvas: picture } = painted.get(name);
        context.drawImage(picture, x * ratio, y * ratio, pair.width * zoom, pair.height * zoom);
        context.restore();
      }
    },
    forget() {
      painted.clear();
    },
  };
}
