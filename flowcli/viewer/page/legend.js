// The colour key. Pointing at one of its colours lights up the pixels that have such a flow.

import { colorOf } from "./colors.js";
import { observe, state, update } from "./state.js";

const RADIUS = 0.1; // of the scale: how far a flow may be from the one that is looked for

const isDisc = () => state.style === "wheel" || state.style === "hsv";

// Flow at a point of the key, -1..1 from its middle, or null.
function flowAt(x, y) {
  if (isDisc()) return Math.hypot(x, y) <= 1 ? { u: x * state.scale, v: y * state.scale } : null;
  if (state.style === "magnitude") return { u: ((x + 1) / 2) * state.scale, v: 0 };
  return state.style === "u" ? { u: x * state.scale, v: 0 } : { u: 0, v: x * state.scale };
}

function draw(canvas) {
  const context = canvas.getContext("2d");
  const [width, height] = [canvas.width, canvas.height];
  const image = context.createImageData(width, height);
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const flow = flowAt((2 * (column + 0.5)) / width - 1, (2 * (row + 0.5)) / height - 1);
      if (flow) image.data.set([...colorOf(flow.u, flow.v, state.style, state.scale), 255], 4 * (row * width + column));
    }
  }
  context.putImageData(image, 0, 0);
}

export function bindLegend(canvas, output) {
  const size = canvas.width;
  let aim = [0.5, 0]; // for the keyboard

  // In units of the scale the key is always the same.
  const redraw = () => {
    canvas.height = isDisc() ? size : 24;
    draw(canvas);
    label();
  };
  const label = () => {
    output.textContent = isDisc() ? `edge ${Number(state.scale.toPrecision(3))} px` : rangeText();
  };
  const rangeText = () => {
    const scale = Number(state.scale.toPrecision(3));
    return `${state.style === "magnitude" ? 0 : -scale} to ${scale} px`;
  };
  function look(x, y) {
    const flow = flowAt(x, y);
    if (!flow) return update({ lookup: null });
    const radius = RADIUS * state.scale;
    output.textContent = `u ${flow.u.toFixed(2)}, v ${flow.v.toFixed(2)} px lit`;
    return update({ lookup: { ...flow, radius } });
  }
  canvas.addEventListener("pointermove", (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    look((2 * (event.clientX - left)) / width - 1, (2 * (event.clientY - top)) / height - 1);
  });
  const leave = () => {
    update({ lookup: null });
    label();
  };
  canvas.addEventListener("pointerleave", leave);
  canvas.addEventListener("blur", leave);
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    aim = aim.map((value, axis) => Math.max(-0.95, Math.min(0.95, value + 0.1 * by[axis])));
    look(...aim);
  });
  observe(["style"], redraw);
  observe(["scale"], label);
  redraw();
}
