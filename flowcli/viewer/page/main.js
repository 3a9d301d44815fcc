// Flow, in a page: content -> pairs -> panels, redrawn when the state changes.

import { content } from "./data.js";
import { createCanvasRenderer } from "./canvas2d.js";
import { listWorstPairs, showComparison } from "./comparison.js";
import { bindControls, isPossible, offer } from "./controls.js";
import { showFacts, showFault } from "./facts.js";
import { followFragment, readFragment } from "./fragment.js";
import { drawHistogram } from "./histogram.js";
import { followKeys } from "./keyboard.js";
import { bindLegend } from "./legend.js";
import { drawMarks } from "./marks.js";
import { loadPair } from "./pairs.js";
import { currentZoom, layOut, origin } from "./panels.js";
import { followPointers, zoomAt } from "./pointer.js";
import { showReadout } from "./readout.js";
import { observe, state, update } from "./state.js";
import { bindTimeline } from "./timeline.js";
import { createWebGLRenderer } from "./webgl.js";

const find = (id) => document.getElementById(id);
const [stage, picture, marks] = [find("stage"), find("picture"), find("marks")];

let shown = null; // { pair, panels }
const current = () => shown;
let renderer = null;

function resize() {
  const ratio = devicePixelRatio;
  for (const canvas of [picture, marks]) {
    canvas.width = Math.max(1, Math.round(stage.clientWidth * ratio));
    canvas.height = Math.max(1, Math.round(stage.clientHeight * ratio));
  }
}

function background() {
  return getComputedStyle(stage).backgroundColor.match(/[\d.]+/g).slice(0, 3).map(Number);
}

let captions = "";

function showCaptions(panels) {
  const now = JSON.stringify(panels.map(({ caption, x, y }) => [caption, x, y]));
  if (now === captions) return;
  captions = now;
  find("captions").replaceChildren(
    ...panels.map(({ caption, x, y }) => {
      const text = document.createElement("span");
      text.textContent = caption;
      text.style.left = `${x}px`;
      text.style.top = `${y}px`;
      return text;
    }),
  );
}

// What has to be drawn anew at the next frame of the screen: "picture" includes "marks".
let wanted = new Set();

function redraw() {
  const what = wanted;
  wanted = new Set();
  if (!shown) return;
  if (what.has("picture")) {
    const { pair } = shown;
    const panels = layOut(pair, stage.clientWidth, stage.clientHeight);
    shown = { pair, panels };
    renderer.draw(pair, panels, background(), devicePixelRatio);
    showCaptions(panels);
    find("zoom").textContent = `${Math.round(100 * currentZoom(pair, panels[0]) * devicePixelRatio)} %`;
    // Where pixels are on the stage, for whoever drives the page by a script: left, top, CSS px per pixel.
    stage.dataset.panels = JSON.stringify(panels.map((panel) => [...origin(pair, panel), currentZoom(pair, panel)]));
    stage.dataset.drawn = Number(stage.dataset.drawn ?? 0) + 1;
    if (stage.dataset.drawn === "1") performance.mark("flow drawn");
  }
  drawMarks(marks, shown.pair, shown.panels, devicePixelRatio);
  showReadout(find("readout"), shown.pair);
  if (what.has("histogram")) drawHistogram(find("histogram"), find("histogram-text"), shown.pair);
}

function want(what) {
  if (wanted.size === 0) requestAnimationFrame(redraw);
  wanted.add(what);
}

async function showPair() {
  const { position } = state;
  const pair = await loadPair(position);
  if (position !== state.position) return; // a later one was asked for meanwhile
  const fits = ([x, y]) => x < pair.width && y < pair.height;
  const changes = {};
  if (state.pin && !fits(state.pin)) changes.pin = null;
  if (state.pointer && !fits(state.pointer)) changes.pointer = null;
  if (state.box && !fits(state.box.slice(2))) changes.box = null;
  if (!isPossible(state.view, pair)) changes.view = "flow";
  shown = { pair, panels: layOut(pair, stage.clientWidth, stage.clientHeight) };
  update(changes);
  find("pair-name").textContent = `${pair.name}, ${pair.width * content.reduction} × ${pair.height * content.reduction}`;
  offer(pair);
  stage.dataset.position = position;
  want("picture");
  // After the picture is on the screen: nobody waits for these.
  setTimeout(() => {
    if (shown.pair !== pair) return;
    want("histogram");
    showComparison(find("comparison"), pair);
  });
}

function zoomBy(factor) {
  if (!shown) return;
  const [panel] = shown.panels;
  zoomAt(shown.pair, panel, panel.x + panel.width / 2, panel.y + panel.height / 2, factor);
}

async function start() {
  update(readFragment());
  // #renderer=2d: for graphics drivers that draw nonsense. #renderer=webgl: also where software plays the graphics card.
  const asked = new URLSearchParams(location.hash.slice(1)).get("renderer");
  const webgl = asked === "2d" ? null : createWebGLRenderer(picture, asked === "webgl");
  renderer = webgl ?? createCanvasRenderer(picture);
  resize();
  showFacts(renderer);
  bindControls();
  bindLegend(find("legend"), find("legend-value"));
  bindTimeline();
  followKeys(current);
  followPointers(stage, current);
  followFragment();
  listWorstPairs(find("worst-pairs"), find("worst-pairs-heading"));
  find("fit").addEventListener("click", () => update({ zoom: null, centre: null }));
  find("zoom-in").addEventListener("click", () => zoomBy(1.5));
  find("zoom-out").addEventListener("click", () => zoomBy(1 / 1.5));

  observe(["position"], () => showPair().catch(showFault));
  observe(["view", "style", "scale", "opacity", "split", "gain", "occlusion", "confidence", "lookup"], () => want("picture"));
  observe(["zoom", "centre", "besideFrame2", "besideError"], () => want("picture"));
  observe(["pointer", "pin", "box", "arrows"], () => want("marks"));
  observe(["scale"], () => want("histogram"));
  new ResizeObserver(() => {
    resize();
    want("picture");
  }).observe(stage);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => want("picture"));
  picture.addEventListener("webglcontextlost", (event) => event.preventDefault());
  picture.addEventListener("webglcontextrestored", () => location.reload());
  await showPair();
}

start().catch((error) => {
  showFault(error);
  throw error;
});
