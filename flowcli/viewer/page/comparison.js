// Two flows: errors in total, as flowcli's own metrics give them, and the places and pairs that are worst.

import { content } from "./data.js";
import { toOriginal } from "./marks.js";
import { fillList } from "./readout.js";
import { update } from "./state.js";
import { compareFlows, worstPlaces } from "./statistics.js";

const PLACES = 8;
const PAIRS = 20;
const METRICS = { epe: ["EPE", "px"], px1: [">1px", "%"], px3: [">3px", "%"], px5: [">5px", "%"], fl: ["Fl", "%"] };

function jumpButton(text, changes) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  button.addEventListener("click", () => update(changes()));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

function listPlaces(pair, compared) {
  const places = worstPlaces(compared, pair.width, pair.height, PLACES);
  return places.map(({ x, y, error, mean }) => {
    const text = `${error.toPrecision(3)} px at ${toOriginal(x)}, ${toOriginal(y)} (around ${mean.toPrecision(3)})`;
    // Close enough to see what happens, with its surroundings.
    const zoom = Math.max(2, 320 / Math.max(24, Math.min(pair.width, pair.height) / 4));
    return jumpButton(text, () => ({ pin: [x, y], pointer: null, zoom, centre: [x + 0.5, y + 0.5] }));
  });
}

export function listWorstPairs(list, heading) {
  const measured = content.pairs.map((pair, position) => ({ ...pair, position })).filter(({ errors }) => errors.epe >= 0);
  heading.hidden = content.pairs.length < 2 || measured.length === 0;
  if (heading.hidden) return;
  measured.sort((a, b) => b.errors.epe - a.errors.epe);
  list.replaceChildren(
    ...measured.slice(0, PAIRS).map(({ name, errors, position }) =>
      jumpButton(`${errors.epe.toPrecision(4)} px: ${name}`, () => ({ position })),
    ),
  );
}

export function showComparison(section, pair) {
  section.hidden = pair.flows.length < 2;
  if (section.hidden) return;
  const compared = compareFlows(...pair.flows);
  const rows = [["compared", `${content.labels[0]} with ${content.labels[1]}`]];
  for (const [key, [name, unit]] of Object.entries(METRICS)) {
    const value = pair.errors[key];
    if (value !== undefined && value !== null) rows.push([name, `${Number(value.toPrecision(6))} ${unit}`]);
  }
  if (pair.errors.epe === undefined) rows.push(["EPE", compared.known ? `${compared.epe.toPrecision(6)} px` : "unknown"]);
  rows.push(["pixels", `${compared.known} of ${pair.width * pair.height} known in both`]);
  fillList(document.getElementById("errors"), rows);
  document.getElementById("worst-places").replaceChildren(...listPlaces(pair, compared));
}
