// What the page was given: a JSON description, and blocks of bytes that it names by number.
//
// content: { title, generator, labels: [name of each flow], about: [[name, value]], notes: [text], fps, scale,
//   reduction, hues: { wheel, hsv }, viridis, frames: [{ block, type }], pairs: [pair] }
// pair: { name, index, time, height, width, frames: [index of frame 1 or null, of frame 2], flows: [flow],
//   occluded: plane or null, confidence: plane or null, errors: { metric: value } }
// flow: { kind, step, exact, storage, u: plane, v: plane, known: plane or null }
// plane: { block, filter, bits }, see planes.js

export const content = JSON.parse(document.getElementById("content").textContent);

export function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i += 1) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

export function readBlock(number) {
  return fromBase64(document.getElementById(`block-${number}`).textContent);
}
