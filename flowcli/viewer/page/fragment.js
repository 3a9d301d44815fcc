// The view in the URL's fragment, so that a link shows what its sender saw.

import { content } from "./data.js";
import { STYLES } from "./colors.js";
import { VIEWS, ZOOMS } from "./panels.js";
import { initial, observe, state, update } from "./state.js";

const number = (least, most) => ({
  write: (value) => String(Number(value.toPrecision(6))),
  read: (text) => {
    const value = Number(text);
    return text !== "" && value >= least && value <= most ? value : undefined;
  },
});
const choice = (table) => ({ write: String, read: (text) => (Object.hasOwn(table, text) ? text : undefined) });
const flag = { write: (value) => (value ? "1" : "0"), read: (text) => text === "1" };
const numbers = (count, valid) => ({
  write: (values) => values.map((value) => Number(value.toFixed(3))).join(","),
  read: (text) => {
    const values = text.split(",").map(Number);
    return values.length === count && values.every(valid) ? values : undefined;
  },
});
const isPixel = (value) => Number.isInteger(value) && value >= 0;

const FIELDS = {
  position: number(0, content.pairs.length - 1),
  view: choice(VIEWS),
  style: choice(STYLES),
  scale: number(1e-6, 1e6),
  opacity: number(0, 1),
  arrows: number(0, 40),
  split: number(0, 1),
  gain: number(1, 16),
  occlusion: flag,
  confidence: flag,
  besideFrame2: flag,
  besideError: flag,
  zoom: number(ZOOMS.least, ZOOMS.most),
  centre: numbers(2, Number.isFinite),
  pin: numbers(2, isPixel),
  box: numbers(4, isPixel),
  rate: number(0.1, 240),
};

export function writeFragment() {
  const parts = new URLSearchParams();
  for (const [name, { write }] of Object.entries(FIELDS)) {
    if (state[name] !== initial[name] && state[name] !== null) parts.set(name, write(state[name]));
  }
  return parts.toString();
}

// What does not make sense is left out: the fragment comes from anyone.
export function readFragment() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const changes = {};
  for (const [name, { read }] of Object.entries(FIELDS)) {
    const value = parts.has(name) ? read(parts.get(name)) : undefined;
    if (value !== undefined) changes[name] = value;
  }
  if (changes.position !== undefined) changes.position = Math.round(changes.position);
  const { width, height } = content.pairs[changes.position ?? 0];
  const inside = ([x, y]) => x < width && y < height;
  if (changes.pin && !inside(changes.pin)) delete changes.pin;
  if (changes.box && !(inside(changes.box.slice(2)) && changes.box[0] <= changes.box[2] && changes.box[1] <= changes.box[3])) {
    delete changes.box;
  }
  if (!changes.zoom || !changes.centre) {
    delete changes.zoom;
    delete changes.centre;
  }
  return changes;
}

export function followFragment() {
  let timer = 0;
  observe(Object.keys(FIELDS), () => {
    clearTimeout(timer);
    // Browsers allow a hundred changes in half a minute.
    timer = setTimeout(() => {
      if (!state.playing) history.replaceState(null, "", `#${writeFragment()}`);
    }, 400);
  });
  addEventListener("hashchange", () => update({ ...readFragment() }));
}
