// Which pictures are shown, where on the stage, and which of their pixels lies under a point of it.

import { content } from "./data.js";
import { state } from "./state.js";

export const VIEWS = {
  flow: "flow",
  frame1: "frame 1",
  frame2: "frame 2",
  warped: "frame 2, warped back",
  difference: "difference of frame 1 and warped",
  split: "split: frame 1 | warped frame 2",
  error: "error",
};
const GAP = 4;
export const ZOOMS = { least: 0.02, most: 128 };

// -> [{ show, flow, caption }]
function choosePanels(pair) {
  const { view } = state;
  const [first, second] = content.labels;
  const two = pair.flows.length > 1;
  const caption = (show, label) => (show === "flow" || show === "warped" ? `${VIEWS[show]}: ${label}` : VIEWS[show]);
  const byFlow = ["flow", "warped", "difference", "split"].includes(view);
  const panels = [{ show: view, flow: 0, caption: caption(view, first) }];
  if (two && byFlow) panels.push({ show: view, flow: 1, caption: `${VIEWS[view]}: ${second}` });
  if (two && byFlow) panels[0].caption = `${VIEWS[view]}: ${first}`;
  if (two && state.besideError && view !== "error") panels.push({ show: "error", flow: 0, caption: "error, px" });
  if (pair.frame2 && state.besideFrame2 && view !== "frame2") {
    panels.push({ show: "frame2", flow: 0, caption: "frame 2" });
  }
  return panels;
}

// Panels in the number of columns that shows them largest -> [{ show, flow, caption, x, y, width, height }] in CSS px.
export function layOut(pair, width, height) {
  const panels = choosePanels(pair);
  let best = { zoom: 0 };
  for (let columns = 1; columns <= panels.length; columns += 1) {
    const rows = Math.ceil(panels.length / columns);
    const w = (width - GAP * (columns - 1)) / columns;
    const h = (height - GAP * (rows - 1)) / rows;
    const zoom = Math.min(w / pair.width, h / pair.height);
    if (zoom > best.zoom) best = { zoom, columns, w, h };
  }
  return panels.map((panel, number) => ({
    ...panel,
    x: Math.floor(number % best.columns) * (best.w + GAP),
    y: Math.floor(number / best.columns) * (best.h + GAP),
    width: best.w,
    height: best.h,
  }));
}

export function fitZoom(pair, panel) {
  return Math.min(ZOOMS.most, panel.width / pair.width, panel.height / pair.height);
}

export const currentZoom = (pair, panel) => state.zoom ?? fitZoom(pair, panel);

// Where the pixel edge (0, 0) lies, in CSS px of the stage.
export function origin(pair, panel) {
  const zoom = currentZoom(pair, panel);
  const [x, y] = state.zoom === null ? [pair.width / 2, pair.height / 2] : state.centre;
  return [panel.x + panel.width / 2 - x * zoom, panel.y + panel.height / 2 - y * zoom];
}

export function toImage(pair, panel, x, y) {
  const zoom = currentZoom(pair, panel);
  const [left, top] = origin(pair, panel);
  return [(x - left) / zoom, (y - top) / zoom];
}

export function panelAt(panels, x, y) {
  return panels.find((p) => x >= p.x && x < p.x + p.width && y >= p.y && y < p.y + p.height) ?? null;
}
