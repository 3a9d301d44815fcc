// Draws panels without WebGL2, at the resolution of the screen. Flow is coloured by tables, which is faster than what a
// software renderer makes of the shader; the other pictures are slower, and otherwise the same.

import { content } from "./data.js";
import { DIRECTIONS, colorOf, colorOfError, isKnown } from "./colors.js";
import { currentZoom, origin } from "./panels.js";
import { state } from "./state.js";

const LEVELS = 256; // of length, up to the scale; one more is beyond it, and one has the unknown
const polar = new WeakMap(); // flow -> { direction, length } of every pixel
const tables = new Map(); // style -> colours of directions and levels, as 32-bit words

const word = ([r, g, b]) => (255 << 24) | (b << 16) | (g << 8) | r;

function measure(flow) {
  if (polar.has(flow)) return polar.get(flow);
  const count = flow.width * flow.height;
  const [direction, length] = [new Uint16Array(count), new Float32Array(count)];
  const perRadian = DIRECTIONS / (2 * Math.PI);
  for (let i = 0; i < count; i += 1) {
    const [u, v] = [flow.uv[2 * i], flow.uv[2 * i + 1]];
    direction[i] = Math.round(Math.atan2(v, u) * perRadian) & (DIRECTIONS - 1);
    length[i] = isKnown(u) ? Math.sqrt(u * u + v * v) : -1;
  }
  polar.set(flow, { direction, length });
  return polar.get(flow);
}

function tableOf(style) {
  if (tables.has(style)) return tables.get(style);
  const table = new Uint32Array(DIRECTIONS * (LEVELS + 1));
  for (let d = 0; d < DIRECTIONS; d += 1) {
    const [u, v] = [Math.cos((2 * Math.PI * d) / DIRECTIONS), Math.sin((2 * Math.PI * d) / DIRECTIONS)];
    for (let level = 0; level <= LEVELS; level += 1) {
      const length = level === LEVELS ? 2 : level / (LEVELS - 1);
      table[d * (LEVELS + 1) + level] = word(colorOf(u * length, v * length, style, 1).map(Math.round));
    }
  }
  tables.set(style, table);
  return table;
}

// Colour of flow at a pixel, as a word; by direction and length from the table, by u or v alone computed.
function flowPainter(flow) {
  if (state.style === "u" || state.style === "v") {
    return (place) => word(colorOf(flow.uv[2 * place], flow.uv[2 * place + 1], state.style, state.scale).map(Math.round));
  }
  const { direction, length } = measure(flow);
  const table = tableOf(state.style);
  const [scale, perPixel] = [state.scale, (LEVELS - 1) / state.scale];
  return (place) => {
    const size = length[place];
    if (size < 0) return 0xff000000;
    const level = size > scale ? LEVELS : (size * perPixel + 0.5) | 0;
    return table[direction[place] * (LEVELS + 1) + level];
  };
}

function sampleFrame2(pair, x, y) {
  const { width, height } = pair;
  const { pixels } = pair.frame2;
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

const colorAt = (pixels, place) => [pixels[4 * place], pixels[4 * place + 1], pixels[4 * place + 2]];
const split = (color) => [color & 255, (color >> 8) & 255, (color >> 16) & 255];
const mix = (a, b, weight) => a.map((level, c) => level + weight * (b[c] - level));

// -> function from a pixel of the frame to [r, g, b]
const PAINTERS = {
  flow: (pair, flow) => {
    const paint = flowPainter(flow);
    if (!pair.frame1) return (place) => split(paint(place));
    return (place) => {
      const opacity = state.opacity < 1 && !isKnown(flow.uv[2 * place]) ? 0 : state.opacity;
      return mix(colorAt(pair.frame1.pixels, place), split(paint(place)), opacity);
    };
  },
  frame1: (pair) => (place) => colorAt(pair.frame1.pixels, place),
  frame2: (pair) => (place) => colorAt(pair.frame2.pixels, place),
  warped: (pair, flow) => (place) => {
    const u = flow.uv[2 * place];
    if (!isKnown(u)) return [0, 0, 0];
    const x = (place % pair.width) + u / content.reduction;
    return sampleFrame2(pair, x, Math.floor(place / pair.width) + flow.uv[2 * place + 1] / content.reduction);
  },
  difference: (pair, flow) => {
    const warped = PAINTERS.warped(pair, flow);
    return (place) => {
      const other = warped(place);
      const here = colorAt(pair.frame1.pixels, place);
      return here.map((level, c) => Math.min(255, state.gain * Math.abs(level - other[c])));
    };
  },
  split: (pair, flow) => {
    const warped = PAINTERS.warped(pair, flow);
    const edge = state.split * pair.width;
    return (place) => ((place % pair.width) + 0.5 < edge ? colorAt(pair.frame1.pixels, place) : warped(place));
  },
  error: (pair, { uv }, other) => (place) => {
    const there = isKnown(uv[2 * place]) && isKnown(other.uv[2 * place]);
    const [u, v] = [uv[2 * place] - other.uv[2 * place], uv[2 * place + 1] - other.uv[2 * place + 1]];
    return colorOfError(there ? Math.hypot(u, v) : Infinity);
  },
};

function addMasks(pair, { uv }, place, color) {
  let shown = color;
  if (state.confidence && pair.confidence) shown = shown.map((c) => c * (0.12 + (0.88 * pair.confidence[place]) / 255));
  if (state.occlusion && pair.occluded?.[place]) shown = [230, 26, 128];
  if (state.lookup) {
    const { u, v, radius } = state.lookup;
    if (!(Math.hypot(uv[2 * place] - u, uv[2 * place + 1] - v) <= radius)) shown = shown.map((c) => 31 + c * 0.12);
  }
  return shown;
}

// The painter of a panel as a function from a pixel of the frame to a word.
function choosePainter(pair, panel) {
  const flow = pair.flows[panel.flow];
  const masked = panel.show !== "frame2" && (state.confidence || state.occlusion || state.lookup);
  const covered = panel.show === "flow" && (state.opacity === 1 || !pair.frame1);
  if (covered && !masked) return flowPainter(flow);
  const paint = PAINTERS[panel.show](pair, flow, pair.flows[1 - panel.flow]);
  const add = masked ? (place) => addMasks(pair, flow, place, paint(place)) : paint;
  return (place) => word(add(place).map(Math.round));
}

function paintPanel(context, pair, panel, ratio, background) {
  const [left, top] = [Math.round(panel.x * ratio), Math.round(panel.y * ratio)];
  const [width, height] = [Math.round(panel.width * ratio), Math.round(panel.height * ratio)];
  const zoom = currentZoom(pair, panel) * ratio;
  const [x0, y0] = origin(pair, panel).map((edge) => edge * ratio);
  const image = context.createImageData(width, height);
  const words = new Uint32Array(image.data.buffer);
  words.fill(word(background));
  const columns = Int32Array.from({ length: width }, (_, x) => Math.floor((left + x + 0.5 - x0) / zoom));
  const first = columns.findIndex((column) => column >= 0);
  const end = columns.findLastIndex((column) => column < pair.width) + 1;
  const paint = choosePainter(pair, panel);
  for (let y = 0; y < height && first >= 0; y += 1) {
    const row = Math.floor((top + y + 0.5 - y0) / zoom);
    if (row < 0 || row >= pair.height) continue;
    for (let x = first; x < end; x += 1) words[y * width + x] = paint(row * pair.width + columns[x]);
  }
  context.putImageData(image, left, top);
}

// Frames as they are: the browser shrinks them better and faster.
function drawFrame(context, pair, panel, ratio, { bitmap }) {
  const zoom = currentZoom(pair, panel) * ratio;
  const [x, y] = origin(pair, panel).map((edge) => edge * ratio);
  context.save();
  context.beginPath();
  context.rect(panel.x * ratio, panel.y * ratio, panel.width * ratio, panel.height * ratio);
  context.clip();
  context.imageSmoothingEnabled = zoom < 1;
  context.drawImage(bitmap, x, y, pair.width * zoom, pair.height * zoom);
  context.restore();
}

export function createCanvasRenderer(canvas) {
  const context = canvas.getContext("2d", { alpha: false });
  return {
    name: "canvas 2D",
    draw(pair, panels, background, ratio) {
      context.fillStyle = `rgb(${background.join(" ")})`;
      context.fillRect(0, 0, canvas.width, canvas.height);
      const masked = state.confidence || state.occlusion || state.lookup;
      for (const panel of panels) {
        if (panel.show === "frame2") drawFrame(context, pair, panel, ratio, pair.frame2);
        else if (panel.show === "frame1" && !masked) drawFrame(context, pair, panel, ratio, pair.frame1);
        else paintPanel(context, pair, panel, ratio, background);
      }
    },
  };
}
