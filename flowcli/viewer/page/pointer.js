// Mouse, pen and fingers: hover reads, a click pins, dragging pans, shift-dragging measures, two fingers and the wheel
// zoom.

import { currentZoom, panelAt, toImage, ZOOMS } from "./panels.js";
import { state, update } from "./state.js";

const CLICK_DISTANCE = 4; // CSS px that a hand trembles

const clamp = (value, least, most) => Math.max(least, Math.min(most, value));

// Zoom by a factor, keeping the pixel under a point of the stage where it is.
export function zoomAt(pair, panel, x, y, factor) {
  const before = currentZoom(pair, panel);
  const zoom = clamp(before * factor, ZOOMS.least, ZOOMS.most);
  const [column, row] = toImage(pair, panel, x, y);
  const middle = [panel.x + panel.width / 2, panel.y + panel.height / 2];
  update({ zoom, centre: [column + (middle[0] - x) / zoom, row + (middle[1] - y) / zoom] });
}

export function panBy(pair, panel, dx, dy) {
  const zoom = currentZoom(pair, panel);
  const [x, y] = state.zoom === null ? [pair.width / 2, pair.height / 2] : state.centre;
  const centre = [clamp(x - dx / zoom, 0, pair.width), clamp(y - dy / zoom, 0, pair.height)];
  update({ zoom, centre });
}

// `current()` gives { pair, panels } of what is shown, or null while nothing is.
export function followPointers(stage, current) {
  const down = new Map(); // pointer id -> [x, y]
  let drag = null; // { panel, start: [x, y], box: first corner or null, moved }

  const placeOf = (event) => {
    const { left, top } = stage.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };

  function pixelAt(panel, [x, y], inside = true) {
    const { pair } = current();
    const [column, row] = toImage(pair, panel, x, y).map(Math.floor);
    const within = column >= 0 && row >= 0 && column < pair.width && row < pair.height;
    if (inside && !within) return null;
    return [clamp(column, 0, pair.width - 1), clamp(row, 0, pair.height - 1)];
  }

  function hover(event) {
    const place = placeOf(event);
    const panel = panelAt(current().panels, ...place);
    const pixel = panel && pixelAt(panel, place);
    if (String(pixel) !== String(state.pointer)) update({ pointer: pixel });
  }

  function pinch(event) {
    const [other] = [...down].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    const [before, after] = [down.get(event.pointerId), placeOf(event)];
    const distance = ([x, y]) => Math.max(1, Math.hypot(x - other[0], y - other[1]));
    const { pair } = current();
    zoomAt(pair, drag.panel, (after[0] + other[0]) / 2, (after[1] + other[1]) / 2, distance(after) / distance(before));
    panBy(pair, drag.panel, (after[0] - before[0]) / 2, (after[1] - before[1]) / 2);
  }

  function dragTo(event) {
    const place = placeOf(event);
    const before = down.get(event.pointerId);
    drag.moved ||= Math.hypot(place[0] - drag.start[0], place[1] - drag.start[1]) > CLICK_DISTANCE;
    if (!drag.moved) return;
    if (drag.box) {
      const [x, y] = pixelAt(drag.panel, place, false);
      const [x0, y0] = drag.box;
      update({ box: [Math.min(x, x0), Math.min(y, y0), Math.max(x, x0), Math.max(y, y0)] });
    } else {
      panBy(current().pair, drag.panel, place[0] - before[0], place[1] - before[1]);
    }
  }

  stage.addEventListener("pointerdown", (event) => {
    if (!current() || event.button > 0) return;
    const place = placeOf(event);
    const panel = panelAt(current().panels, ...place);
    if (!panel) return;
    stage.setPointerCapture(event.pointerId);
    down.set(event.pointerId, place);
    if (down.size === 1) drag = { panel, start: place, box: event.shiftKey && pixelAt(panel, place, false), moved: false };
    else drag.moved = true;
  });
  stage.addEventListener("pointermove", (event) => {
    if (!current()) return;
    if (down.has(event.pointerId) && drag) {
      if (down.size > 1) pinch(event);
      else dragTo(event);
      down.set(event.pointerId, placeOf(event));
    }
    if (down.size === 0 || drag?.box) hover(event);
  });
  const release = (event) => {
    if (!down.delete(event.pointerId) || !current()) return;
    if (event.type === "pointerup" && drag && !drag.moved) {
      const pixel = pixelAt(drag.panel, placeOf(event));
      update({ pin: pixel, box: null });
    }
    if (down.size === 0) drag = null;
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("pointerleave", () => update({ pointer: null }));
  stage.addEventListener(
    "wheel",
    (event) => {
      if (!current()) return;
      event.preventDefault();
      const place = placeOf(event);
      const panel = panelAt(current().panels, ...place);
      const lines = event.deltaMode === 1 ? 20 : 1;
      if (panel) zoomAt(current().pair, panel, ...place, Math.exp(-event.deltaY * lines * 0.0015));
    },
    { passive: false },
  );
}
