// Flow to colour, in the tables of `flowcli/viz`: 1024 hues by direction, 256 colours of viridis by length.

import { content, fromBase64 } from "./data.js";
import { UNKNOWN } from "./planes.js";

export const DIRECTIONS = 1024;
export const hues = { wheel: fromBase64(content.hues.wheel), hsv: fromBase64(content.hues.hsv) };
export const viridis = fromBase64(content.viridis);
// Beyond the scale Middlebury's wheel darkens, the HSV circle does not.
export const BEYOND = { wheel: 0.75, hsv: 1 };

export const STYLES = {
  wheel: "wheel: direction and length",
  hsv: "hsv: direction and length",
  magnitude: "magnitude: length alone",
  u: "u: left blue, right red",
  v: "v: up blue, down red",
};

export const isKnown = (u) => Math.abs(u) < UNKNOWN / 10;

function byDirection(u, v, style, scale) {
  const turns = Math.atan2(v, u) / (2 * Math.PI);
  const place = 3 * (Math.round(turns * DIRECTIONS) & (DIRECTIONS - 1));
  const length = Math.hypot(u, v) / scale;
  return [0, 1, 2].map((channel) => {
    const hue = hues[style][place + channel];
    return length > 1 ? BEYOND[style] * hue : 255 - length * (255 - hue);
  });
}

function signed(value, scale) {
  const t = Math.max(-1, Math.min(1, value / scale));
  return t < 0 ? [255 + t * 222, 255 + t * 153, 255 + t * 83] : [255 - t * 77, 255 - t * 231, 255 - t * 212];
}

// -> [r, g, b] in 0..255; black where the flow is unknown.
export function colorOf(u, v, style, scale) {
  if (!isKnown(u)) return [0, 0, 0];
  if (style === "u") return signed(u, scale);
  if (style === "v") return signed(v, scale);
  if (style === "magnitude") {
    const level = 3 * Math.min(255, Math.round((255 * Math.hypot(u, v)) / scale));
    return [viridis[level], viridis[level + 1], viridis[level + 2]];
  }
  return byDirection(u, v, style, scale);
}

// Black up to 0.1 px, red 1 px, yellow 10 px, white 100 px: the same for every picture, as in `flowcli diff --viz`.
export function colorOfError(error) {
  if (!(error < UNKNOWN / 10)) return [70, 70, 70];
  const level = Math.log10(Math.max(error, 0.1) / 0.1);
  return [0, 1, 2].map((start) => 255 * Math.max(0, Math.min(1, level - start)));
}

export const css = (rgb) => `rgb(${rgb.map(Math.round).join(" ")})`;
