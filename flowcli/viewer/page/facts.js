// Title, notes, and what made the page; all of it as text.

import { content } from "./data.js";
import { fillList } from "./readout.js";
import { writeFragment } from "./fragment.js";

const find = (id) => document.getElementById(id);

function showStatus(text) {
  find("status").textContent = text;
  setTimeout(() => {
    find("status").textContent = "";
  }, 3000);
}

async function share() {
  const address = `${location.href.split("#")[0]}#${writeFragment()}`;
  history.replaceState(null, "", address);
  try {
    await navigator.clipboard.writeText(address);
    showStatus("The link to this view is copied.");
  } catch {
    showStatus("The link to this view is in the address bar.");
  }
}

export function showFacts(renderer) {
  find("title").textContent = content.title;
  find("notes").hidden = content.notes.length === 0;
  find("notes").replaceChildren(
    ...content.notes.map((note) => {
      const item = document.createElement("li");
      item.append(note);
      return item;
    }),
  );
  const [{ width, height }] = content.pairs;
  fillList(find("facts"), [
    ["made by", content.generator],
    ...content.about,
    ["pairs", String(content.pairs.length)],
    ["size", `${width * content.reduction} × ${height * content.reduction}`],
    ["angle", "0° right, 90° down, as u and v point"],
    ["drawn with", renderer.name],
  ]);
  find("open-about").addEventListener("click", () => find("about").showModal());
  find("open-help").addEventListener("click", () => find("help").showModal());
  find("share").addEventListener("click", share);
}

export function showFault(error) {
  find("status").textContent = `This page cannot be shown: ${error.message ?? error}`;
}
