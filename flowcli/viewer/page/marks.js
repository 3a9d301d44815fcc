// What lies over the pictures: cross-hairs, the arrow of the pixel under the pointer, the grid of arrows, the box.

import { content } from "./data.js";
import { colorOf, css, isKnown } from "./colors.js";
import { currentZoom, origin, toImage } from "./panels.js";
import { state } from "./state.js";
import { matchOf } from "./statistics.js";

const LENGTH_AT_SCALE = 1.4; // of an arrow, in steps of the grid, as in flowcli/viz/arrows.py
const DARK = "rgb(0 0 0 / 75%)";

function strokeTwice(context, path, color, width = 1.5) {
  // Dark and wide, then bright and thin: that reads on every picture.
  context.lineWidth = width + 2;
  context.strokeStyle = DARK;
  context.stroke(path);
  context.lineWidth = width;
  context.strokeStyle = color;
  context.stroke(path);
}

function arrowPath(x0, y0, x1, y1) {
  const path = new Path2D();
  const [length, angle] = [Math.hypot(x1 - x0, y1 - y0), Math.atan2(y1 - y0, x1 - x0)];
  const head = Math.min(10, 0.4 * length);
  path.moveTo(x0, y0);
  path.lineTo(x1, y1);
  for (const side of [-0.5, 0.5]) {
    path.moveTo(x1, y1);
    path.lineTo(x1 - head * Math.cos(angle + side), y1 - head * Math.sin(angle + side));
  }
  return path;
}

function crossHair(context, x, y, color) {
  const path = new Path2D();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    path.moveTo(x + 5 * dx, y + 5 * dy);
    path.lineTo(x + 16 * dx, y + 16 * dy);
  }
  strokeTwice(context, path, color);
}

function drawGrid(context, pair, panel) {
  const step = Math.max(8, Math.min(panel.width, panel.height) / state.arrows);
  const flow = pair.flows[panel.flow];
  const zoom = currentZoom(pair, panel);
  const [left, top] = origin(pair, panel);
  for (let y = panel.y + step / 2; y < panel.y + panel.height; y += step) {
    for (let x = panel.x + step / 2; x < panel.x + panel.width; x += step) {
      const [column, row] = toImage(pair, panel, x, y).map(Math.floor);
      if (column < 0 || row < 0 || column >= pair.width || row >= pair.height) continue;
      const place = 2 * (row * pair.width + column);
      const [u, v] = [flow.uv[place], flow.uv[place + 1]];
      if (!isKnown(u)) continue;
      const length = Math.hypot(u, v);
      const [footX, footY] = [left + (column + 0.5) * zoom, top + (row + 0.5) * zoom];
      const reach = length ? (Math.min(1, length / state.scale) * LENGTH_AT_SCALE * step) / length : 0;
      const path = arrowPath(footX, footY, footX + reach * u, footY + reach * v);
      if (length === 0) path.arc(footX, footY, 0.7, 0, 7);
      strokeTwice(context, path, css(colorOf(u, v, "wheel", Math.max(length, 1e-9))), 1.3);
    }
  }
}

function drawPoint(context, pair, panel, [x, y], color) {
  const zoom = currentZoom(pair, panel);
  const [left, top] = origin(pair, panel);
  const toStage = ([column, row]) => [left + (column + 0.5) * zoom, top + (row + 0.5) * zoom];
  const foot = toStage([x, y]);
  const match = matchOf(pair.flows[panel.flow], x, y);
  if (panel.show === "frame2") {
    if (match) crossHair(context, ...toStage(match), color);
    return;
  }
  if (zoom >= 6) {
    const square = new Path2D();
    square.rect(left + x * zoom, top + y * zoom, zoom, zoom);
    strokeTwice(context, square, color, 1);
  }
  crossHair(context, ...foot, color);
  if (match) strokeTwice(context, arrowPath(...foot, ...toStage(match)), color, 2);
}

function drawBox(context, pair, panel) {
  const [x0, y0, x1, y1] = state.box;
  const zoom = currentZoom(pair, panel);
  const [left, top] = origin(pair, panel);
  const path = new Path2D();
  path.rect(left + x0 * zoom, top + y0 * zoom, (x1 - x0 + 1) * zoom, (y1 - y0 + 1) * zoom);
  strokeTwice(context, path, "#fff", 1.2);
}

export function drawMarks(canvas, pair, panels, ratio) {
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  for (const panel of panels) {
    context.save();
    context.beginPath();
    context.rect(panel.x, panel.y, panel.width, panel.height);
    context.clip();
    if (state.arrows > 0 && panel.show !== "frame2" && panel.show !== "error") drawGrid(context, pair, panel);
    if (state.box) drawBox(context, pair, panel);
    if (state.pin) drawPoint(context, pair, panel, state.pin, "#ffd84d");
    if (state.pointer) drawPoint(context, pair, panel, state.pointer, "#fff");
    context.restore();
  }
}

// Numbers on the page are in pixels of the original, also where the page keeps fewer.
export const toOriginal = (x) => x * content.reduction;
