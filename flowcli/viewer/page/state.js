// What the user has chosen, in one object; whoever depends on it is told which names have changed.

import { content } from "./data.js";

const listeners = [];

export const state = {
  position: 0, // of the pair
  view: "flow", // see panels.js
  style: "wheel",
  scale: content.scale, // px with the full colour
  opacity: 1,
  arrows: 0, // arrows along the shorter side of a panel
  split: 0.5,
  gain: 3, // of the difference
  occlusion: false,
  confidence: false,
  besideFrame2: content.pairs[0].flows.length < 2,
  besideError: true,
  zoom: null, // CSS px per pixel; null fits the window
  centre: null, // [x, y] in pixels, with a zoom
  pointer: null, // [x, y], the pixel under the pointer
  pin: null, // [x, y], the pixel that was clicked
  box: null, // [x0, y0, x1, y1], measured, both ends included
  lookup: null, // { u, v, radius }, what the colour key asks for
  playing: false,
  rate: content.fps,
};

export const initial = Object.freeze({ ...state });

export function update(changes) {
  const changed = new Set(Object.keys(changes).filter((name) => state[name] !== changes[name]));
  if (changed.size === 0) return;
  Object.assign(state, changes);
  for (const listener of listeners) listener(changed);
}

// `names` is a list; the listener is called with the set of names that have changed.
export function observe(names, listener) {
  listeners.push((changed) => {
    if (names.some((name) => changed.has(name))) listener(changed);
  });
}
