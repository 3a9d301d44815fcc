// How long the flow is: a histogram in the colours of the magnitude, up to twice the colour scale.

import { colorOf, css } from "./colors.js";
import { state } from "./state.js";
import { binLengths, countLengths } from "./statistics.js";

const BINS = 64;
const counted = new WeakMap(); // flow -> its lengths

export function drawHistogram(canvas, text, pair) {
  const most = 2 * state.scale;
  const [flow] = pair.flows;
  if (!counted.has(flow)) counted.set(flow, countLengths(flow));
  const { known, mean, median, largest } = counted.get(flow);
  const bins = binLengths(counted.get(flow), most, BINS);
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  const highest = Math.max(1, ...bins);
  const step = width / bins.length;
  context.clearRect(0, 0, width, height);
  bins.forEach((count, bin) => {
    // Roots: the few fast pixels are what one looks for.
    const h = Math.sqrt(count / highest) * (height - 4);
    const length = ((bin + 0.5) / BINS) * most;
    context.fillStyle = css(colorOf(length, 0, "magnitude", state.scale));
    context.fillRect(bin * step, height - h, step - 1, h);
  });
  context.fillStyle = getComputedStyle(canvas).color;
  context.fillRect((BINS / 2) * step - 0.5, 0, 1, height);
  const share = (100 * known) / (pair.width * pair.height);
  const ends = `0 to ${Number(most.toPrecision(3))} px, the line is the colour scale`;
  text.textContent = known
    ? `${ends}. Mean ${mean.toPrecision(3)}, median ${median.toPrecision(3)}, largest ${largest.toPrecision(4)} px; ` +
      `known at ${Number(share.toFixed(2))} % of the pixels.`
    : "No pixel is known.";
}
