// The timeline of a sequence: position, playing, rate.

import { content } from "./data.js";
import { step } from "./keyboard.js";
import { loadPair } from "./pairs.js";
import { observe, state, update } from "./state.js";

const find = (id) => document.getElementById(id);

function play() {
  let due = performance.now();
  let waiting = false;
  const advance = (now) => {
    if (!state.playing) return;
    if (now >= due && !waiting) {
      // The next pair is shown when it is due and unpacked, whichever is later.
      const next = (state.position + 1) % content.pairs.length;
      waiting = true;
      loadPair(next).then(() => {
        waiting = false;
        if (state.playing) update({ position: next });
        loadPair((next + 1) % content.pairs.length);
      });
      due = Math.max(due + 1000 / state.rate, now);
    }
    requestAnimationFrame(advance);
  };
  requestAnimationFrame(advance);
}

export function bindTimeline() {
  const last = content.pairs.length - 1;
  find("timeline").hidden = last === 0;
  const [position, rate, button] = [find("position"), find("rate"), find("play")];
  position.max = last;
  const show = () => {
    const pair = content.pairs[state.position];
    position.value = state.position;
    find("position-value").textContent = `${state.position + 1} / ${last + 1}, ${pair.time.toFixed(3)} s`;
  };
  const showPlaying = () => {
    button.textContent = state.playing ? "Stop" : "Play";
    button.setAttribute("aria-pressed", state.playing);
  };
  position.addEventListener("input", () => update({ position: position.valueAsNumber, playing: false }));
  button.addEventListener("click", () => update({ playing: !state.playing }));
  find("previous").addEventListener("click", () => step(-1));
  find("next").addEventListener("click", () => step(1));
  rate.value = Number(state.rate.toFixed(3));
  rate.addEventListener("change", () => {
    if (rate.valueAsNumber > 0) update({ rate: rate.valueAsNumber });
  });
  observe(["rate"], () => {
    rate.value = Number(state.rate.toFixed(3));
  });
  observe(["position"], show);
  observe(["playing"], () => {
    showPlaying();
    if (state.playing) play();
  });
  show();
  showPlaying();
}
