// The controls beside the pictures: each shows one name of the state and changes it.

import { content } from "./data.js";
import { STYLES } from "./colors.js";
import { flicker } from "./keyboard.js";
import { VIEWS } from "./panels.js";
import { observe, state, update } from "./state.js";

const find = (id) => document.getElementById(id);

// The scale is a length: its slider is logarithmic, from a hundredth to thirty times the one chosen for the flow.
const SCALE = { least: content.scale / 100, most: content.scale * 30 };
const toSlider = (scale) => Math.log(scale / SCALE.least) / Math.log(SCALE.most / SCALE.least);
const fromSlider = (place) => SCALE.least * (SCALE.most / SCALE.least) ** place;

const same = (value) => value;
// id of a range -> [name in the state, state to slider, slider to state, text beside it]
const RANGES = {
  scale: ["scale", toSlider, fromSlider, (scale) => `${Number(scale.toPrecision(3))} px`],
  opacity: ["opacity", same, same, (opacity) => `${Math.round(100 * opacity)} %`],
  arrows: ["arrows", same, same, (arrows) => (arrows ? `${arrows} a side` : "none")],
  split: ["split", same, same, null],
  gain: ["gain", same, same, (gain) => `× ${gain}`],
};
const CHECKS = {
  occlusion: "occlusion",
  confidence: "confidence",
  "beside-frame2": "besideFrame2",
  "beside-error": "besideError",
};
const LISTS = { view: VIEWS, style: STYLES };

function bindRange(id, [name, toPlace, fromPlace, describe]) {
  const input = find(id);
  const show = () => {
    input.value = toPlace(state[name]);
    if (describe) find(`${id}-value`).textContent = describe(state[name]);
  };
  input.addEventListener("input", () => {
    // Who moves the split wants to see it.
    update({ [name]: fromPlace(input.valueAsNumber), ...(id === "split" ? { view: "split" } : {}) });
  });
  observe([name], show);
  show();
}

function bindCheck(id, name) {
  const input = find(id);
  const show = () => {
    input.checked = state[name];
  };
  input.addEventListener("change", () => update({ [name]: input.checked }));
  observe([name], show);
  show();
}

function bindList(id, choices) {
  const list = find(id);
  for (const [value, text] of Object.entries(choices)) list.add(new Option(text, value));
  list.addEventListener("change", () => update({ [id]: list.value }));
  const show = () => {
    list.value = state[id];
  };
  observe([id], show);
  show();
}

// What the pair at hand has: frames, masks, a second flow. Controls of what it lacks are switched off.
export function offer(pair) {
  const has = {
    frame1: pair.frame1 !== null,
    frame2: pair.frame1 !== null && pair.frame2 !== null,
    second: pair.flows.length > 1,
    occluded: pair.occluded !== null,
    confidence: pair.confidence !== null,
  };
  for (const element of document.querySelectorAll("[data-needs]")) {
    const there = has[element.dataset.needs];
    element.classList.toggle("unavailable", !there);
    const control = element.matches("button") ? element : element.querySelector("input");
    control.disabled = !there;
    element.title = there ? element.title : `needs ${element.dataset.needs.replace(/\d/, " $&")}`;
  }
  for (const option of find("view").options) option.disabled = !isPossible(option.value, pair);
}

export function isPossible(view, pair) {
  if (view === "flow") return true;
  if (view === "error") return pair.flows.length > 1;
  if (view === "frame1") return pair.frame1 !== null;
  if (view === "frame2" || view === "warped") return pair.frame2 !== null;
  return pair.frame1 !== null && pair.frame2 !== null;
}

export function bindControls() {
  for (const [id, row] of Object.entries(RANGES)) bindRange(id, row);
  for (const [id, name] of Object.entries(CHECKS)) bindCheck(id, name);
  for (const [id, choices] of Object.entries(LISTS)) bindList(id, choices);
  find("flicker").addEventListener("click", flicker);
}
