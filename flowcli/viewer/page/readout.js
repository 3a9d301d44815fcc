// What is known of the pixel under the pointer, or of the pinned one, and of the measured box.

import { content } from "./data.js";
import { colorOf, css, isKnown } from "./colors.js";
import { toOriginal } from "./marks.js";
import { state } from "./state.js";
import { matchOf, meanOfBox } from "./statistics.js";

// All digits that the number has as float32, or as many as its step allows.
export function format(value, flow) {
  if (flow.step && !flow.exact) return value.toFixed(Math.ceil(Math.log10(1 / flow.step)));
  for (let digits = 1; digits < 9; digits += 1) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return String(short);
  }
  return String(Number(value.toPrecision(9)));
}

function angleOf(u, v) {
  const degrees = (Math.atan2(v, u) * 180) / Math.PI;
  return (degrees + 360) % 360;
}

function swatch(rgb) {
  const box = document.createElement("span");
  box.className = "swatch";
  box.style.background = css(rgb);
  return box;
}

function colorRow(name, frame, pair, [x, y]) {
  const [column, row] = [Math.round(x), Math.round(y)];
  if (column < 0 || row < 0 || column >= pair.width || row >= pair.height) return [name, "outside"];
  const place = 4 * (row * pair.width + column);
  const rgb = [...frame.pixels.subarray(place, place + 3)];
  return [name, swatch(rgb), rgb.join(" ")];
}

function flowRows(pair, number, [x, y]) {
  const flow = pair.flows[number];
  const place = 2 * (y * pair.width + x);
  const [u, v] = [flow.uv[place], flow.uv[place + 1]];
  const label = pair.flows.length > 1 ? `${content.labels[number]}: ` : "";
  if (!isKnown(u)) return [[`${label}flow`, "unknown"]];
  const color = swatch(colorOf(u, v, state.style, state.scale));
  return [
    [`${label}u`, color, `${format(u, flow)} px`],
    [`${label}v`, `${format(v, flow)} px`],
    [`${label}length`, `${Math.hypot(u, v).toPrecision(6)} px`],
    [`${label}angle`, `${angleOf(u, v).toFixed(2)}°`],
  ];
}

function endpointError(pair, [x, y]) {
  const place = 2 * (y * pair.width + x);
  const [a, b] = pair.flows.map((flow) => flow.uv);
  if (!isKnown(a[place]) || !isKnown(b[place])) return "unknown";
  return `${Math.hypot(a[place] - b[place], a[place + 1] - b[place + 1]).toPrecision(6)} px`;
}

function pointRows(pair, point) {
  const place = point[1] * pair.width + point[0];
  const rows = [["pixel", point.map(toOriginal).join(", ")]];
  pair.flows.forEach((_, number) => rows.push(...flowRows(pair, number, point)));
  if (pair.flows.length > 1) rows.push(["EPE", endpointError(pair, point)]);
  const match = matchOf(pair.flows[0], ...point);
  if (match) rows.push(["matched point", match.map((x) => toOriginal(x).toFixed(2)).join(", ")]);
  if (pair.frame1) rows.push(colorRow("frame 1 there", pair.frame1, pair, point));
  if (pair.frame2 && match) rows.push(colorRow("frame 2 at match", pair.frame2, pair, match));
  if (pair.occluded) rows.push(["occluded", pair.occluded[place] ? "yes" : "no"]);
  if (pair.confidence) rows.push(["confidence", (pair.confidence[place] / 255).toFixed(2)]);
  return rows;
}

function boxRows(pair) {
  const [x0, y0, x1, y1] = state.box;
  const size = `${toOriginal(x1 - x0 + 1)} × ${toOriginal(y1 - y0 + 1)} at ${toOriginal(x0)}, ${toOriginal(y0)}`;
  const rows = [["box", size]];
  pair.flows.forEach((flow, number) => {
    const label = pair.flows.length > 1 ? `${content.labels[number]}: ` : "";
    const mean = meanOfBox(flow, state.box);
    rows.push([`${label}mean flow`, mean ? `${mean.u.toFixed(4)}, ${mean.v.toFixed(4)} px` : "unknown"]);
    if (mean) rows.push([`${label}deviation`, `${mean.deviation.toFixed(4)} px, ${mean.count} known pixels`]);
  });
  return rows;
}

export function fillList(list, rows) {
  list.replaceChildren(
    ...rows.flatMap(([name, ...values]) => {
      const [term, description] = [document.createElement("dt"), document.createElement("dd")];
      term.append(name);
      description.append(...values);
      description.dataset.name = name;
      return [term, description];
    }),
  );
}

export function showReadout(list, pair) {
  const point = state.pointer ?? state.pin;
  const rows = [];
  if (state.pointer === null && state.pin) rows.push(["pinned", "click elsewhere to move, Escape to release"]);
  if (point) rows.push(...pointRows(pair, point));
  else rows.push(["", "Point at a picture. Click pins, shift-drag measures a box."]);
  if (state.box) rows.push(...boxRows(pair));
  fillList(list, rows);
}
