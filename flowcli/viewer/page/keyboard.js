// The keys, in one table: what they do and what the help says of them.

import { content } from "./data.js";
import { VIEWS } from "./panels.js";
import { zoomAt } from "./pointer.js";
import { initial, state, update } from "./state.js";
import { fillList } from "./readout.js";

const many = content.pairs.length > 1;

export function step(by) {
  const last = content.pairs.length - 1;
  update({ position: Math.max(0, Math.min(last, state.position + by)) });
}

// Frame 1 and what the flow makes of frame 2, in turns: where the flow is right, nothing moves.
export function flicker() {
  if (content.pairs[state.position].frames.includes(null)) return;
  update({ view: state.view === "frame1" ? "warped" : "frame1" });
}

export function movePin(pair, dx, dy) {
  const [x, y] = state.pin ?? [Math.floor(pair.width / 2), Math.floor(pair.height / 2)];
  const clamp = (value, size) => Math.max(0, Math.min(size - 1, value));
  update({ pin: state.pin ? [clamp(x + dx, pair.width), clamp(y + dy, pair.height)] : [x, y], pointer: null });
}

function zoomBy({ pair, panels }, factor) {
  const [panel] = panels;
  zoomAt(pair, panel, panel.x + panel.width / 2, panel.y + panel.height / 2, factor);
}

function switchView(by) {
  const options = [...document.getElementById("view").options].filter((option) => !option.disabled);
  const place = options.findIndex((option) => option.value === state.view);
  update({ view: options[(place + by + options.length) % options.length].value });
}

const move = (dx, dy) => ({ pair }) => movePin(pair, dx, dy);
// [keys as the browser calls them, as the help does, what they do, function of { pair, panels }]
const KEYS = [
  [[" "], "space", "flicker: frame 1 and frame 2 warped back, in turns", flicker],
  ...(many
    ? [
        [["ArrowLeft", "ArrowRight"], "← →", "previous, next pair", (_, key) => step(key === "ArrowLeft" ? -1 : 1)],
        [["Home", "End"], "Home End", "first, last pair", (_, key) => step(key === "Home" ? -Infinity : Infinity)],
        [["p", "P"], "p", "play, stop", () => update({ playing: !state.playing })],
      ]
    : []),
  [["f", "F"], "f", "fit to the window", () => update({ zoom: null, centre: null })],
  [["+", "="], "+", "zoom in", (shown) => zoomBy(shown, 1.5)],
  [["-", "_"], "−", "zoom out", (shown) => zoomBy(shown, 1 / 1.5)],
  [["["], "[", "smaller colour scale", () => update({ scale: state.scale / 1.1 })],
  [["]"], "]", "larger colour scale", () => update({ scale: state.scale * 1.1 })],
  [["v"], "v", `next view: ${Object.values(VIEWS).slice(0, 3).join(", ")} ...`, () => switchView(1)],
  [["V"], "shift v", "view before", () => switchView(-1)],
  [["0"], "0", "colours as at first", () => update({ style: initial.style, scale: initial.scale, opacity: 1 })],
  [["Escape"], "Escape", "release pin and box", () => update({ pin: null, box: null })],
  [["?"], "?", "this help", () => document.getElementById("help").showModal()],
];
const ARROWS = { ArrowLeft: move(-1, 0), ArrowRight: move(1, 0), ArrowUp: move(0, -1), ArrowDown: move(0, 1) };
const GESTURES = [
  [many ? "shift arrows, ↑ ↓" : "arrows", "move the pin by a pixel"],
  ["point", "read the flow of a pixel; frame 2 shows where it goes"],
  ["click, tap", "pin a pixel"],
  ["drag", "move the pictures"],
  ["shift-drag", "mean flow of a box"],
  ["wheel, pinch", "zoom, to single pixels"],
];

export function followKeys(current) {
  const table = new Map(KEYS.flatMap(([keys, , , run]) => keys.map((key) => [key, run])));
  fillList(document.getElementById("keys"), [...KEYS.map(([, name, text]) => [name, text]), ...GESTURES]);
  document.addEventListener("keydown", (event) => {
    const shown = current();
    if (!shown || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    // Sliders, lists and buttons have keys of their own.
    const own = event.target.closest?.("input, select, button, a, dialog");
    const checkbox = own?.type === "checkbox";
    if (own && !(checkbox && event.key !== " ")) {
      const typed = own.matches('input[type="range"], select, input[type="number"]');
      if (typed || event.key === " " || event.key === "Enter") return;
    }
    const pinning = event.key in ARROWS && (event.shiftKey || !table.has(event.key));
    const run = pinning ? ARROWS[event.key] : table.get(event.key);
    if (!run) return;
    event.preventDefault();
    run(shown, event.key);
  });
}
