// Draws panels with WebGL2: all arrays stay on the graphics card, so that a change of colours costs one pass over the
// visible pixels.

import { content } from "./data.js";
import { BEYOND, DIRECTIONS, hues, viridis } from "./colors.js";
import { currentZoom, origin } from "./panels.js";
import { FRAGMENT, SHOW, STYLE, VERTEX } from "./shader.js";
import { state } from "./state.js";

const WHEEL = 512; // as in shader.js
const UNITS = ["uFlow", "uOther", "uFrame1", "uFrame2", "uMasks", "uHues", "uViridis"];

function compile(gl) {
  const program = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  return program;
}

function makeTexture(gl, filter, upload) {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, filter);
  upload();
  return texture;
}

// Two bytes per pixel: 255 where occluded, confidence.
function joinMasks({ occluded, confidence, width, height }) {
  const masks = new Uint8Array(2 * width * height);
  for (let i = 0; i < width * height; i += 1) {
    masks[2 * i] = occluded && occluded[i] ? 255 : 0;
    masks[2 * i + 1] = confidence ? confidence[i] : 255;
  }
  return masks;
}

// The hues of directions on a square around its middle, RGB: a look-up by the flow divided by its length costs a software
// renderer much less than an arc tangent.
function layOutHues(table) {
  const image = new Uint8Array(3 * WHEEL * WHEEL);
  for (let row = 0; row < WHEEL; row += 1) {
    for (let column = 0; column < WHEEL; column += 1) {
      const turns = Math.atan2(row - WHEEL / 2, column - WHEEL / 2) / (2 * Math.PI);
      const place = 3 * (Math.round(turns * DIRECTIONS) & (DIRECTIONS - 1));
      image.set(table.subarray(place, place + 3), 3 * (row * WHEEL + column));
    }
  }
  return image;
}

// Whether a processor does the work of a graphics card: then drawing without the shader is faster.
function isSoftware(gl) {
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : "";
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

// -> { draw(pair, panels, background) }, or null where WebGL2 or the size of texture is not to be had.
export function createWebGLRenderer(canvas, always) {
  const largest = Math.max(...content.pairs.map((pair) => Math.max(pair.width, pair.height)));
  const probe = new OffscreenCanvas(1, 1).getContext("webgl2");
  // Asked of another canvas: one that has had a WebGL context has no other.
  if (!probe || probe.getParameter(probe.MAX_TEXTURE_SIZE) < largest || (!always && isSoftware(probe))) return null;
  const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, powerPreference: "high-performance" });
  const program = compile(gl);
  gl.useProgram(program);
  const uniforms = {};
  for (let i = 0; i < gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); i += 1) {
    const { name } = gl.getActiveUniform(program, i);
    uniforms[name] = gl.getUniformLocation(program, name);
  }
  UNITS.forEach((name, unit) => gl.uniform1i(uniforms[name], unit));
  gl.enable(gl.SCISSOR_TEST);

  const bytes = (format, internal, width, height, data) => () =>
    gl.texImage2D(gl.TEXTURE_2D, 0, internal, width, height, 0, format, gl.UNSIGNED_BYTE, data);
  const hueTextures = Object.fromEntries(
    Object.entries(hues).map(([name, data]) => [
      name,
      makeTexture(gl, gl.NEAREST, bytes(gl.RGB, gl.RGB8, WHEEL, WHEEL, layOutHues(data))),
    ]),
  );
  const viridisTexture = makeTexture(gl, gl.NEAREST, bytes(gl.RGB, gl.RGB8, 256, 1, viridis));
  const nothing = makeTexture(gl, gl.NEAREST, bytes(gl.RGBA, gl.RGBA8, 1, 1, new Uint8Array(4)));

  let shown = null; // the pair whose textures are there
  let textures = null;

  function uploadPair(pair) {
    for (const texture of textures ? [...textures.flows, textures.frame1, textures.frame2, textures.masks] : []) {
      if (texture !== nothing) gl.deleteTexture(texture);
    }
    const { width, height } = pair;
    const frame = (one) =>
      one
        ? makeTexture(gl, gl.LINEAR_MIPMAP_LINEAR, () => {
            gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, one.bitmap);
            gl.generateMipmap(gl.TEXTURE_2D);
          })
        : nothing;
    textures = {
      flows: pair.flows.map((flow) =>
        makeTexture(gl, gl.NEAREST, () =>
          gl.texImage2D(gl.TEXTURE_2D, 0, gl.RG32F, width, height, 0, gl.RG, gl.FLOAT, flow.uv),
        ),
      ),
      frame1: frame(pair.frame1),
      frame2: frame(pair.frame2),
      masks:
        pair.occluded || pair.confidence
          ? makeTexture(gl, gl.NEAREST, bytes(gl.RG, gl.RG8, width, height, joinMasks(pair)))
          : nothing,
    };
    shown = pair;
  }

  function drawPanel(pair, panel, ratio) {
    const left = Math.round(panel.x * ratio);
    const top = Math.round(panel.y * ratio);
    const width = Math.round(panel.width * ratio);
    const height = Math.round(panel.height * ratio);
    gl.viewport(left, canvas.height - top - height, width, height);
    gl.scissor(left, canvas.height - top - height, width, height);
    const [x, y] = origin(pair, panel);
    const other = textures.flows[1 - panel.flow] ?? textures.flows[0];
    const hue = hueTextures[state.style] ?? hueTextures.wheel;
    const inUnits = [textures.flows[panel.flow], other, textures.frame1, textures.frame2, textures.masks, hue];
    [...inUnits, viridisTexture].forEach((texture, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, texture);
    });
    gl.uniform1i(uniforms.uShow, SHOW[panel.show]);
    gl.uniform1i(uniforms.uStyle, STYLE[state.style]);
    gl.uniform1i(uniforms.uHasFrame1, pair.frame1 ? 1 : 0);
    gl.uniform1i(uniforms.uOcclusion, state.occlusion && pair.occluded ? 1 : 0);
    gl.uniform1i(uniforms.uConfidence, state.confidence && pair.confidence ? 1 : 0);
    gl.uniform1i(uniforms.uLookup, state.lookup ? 1 : 0);
    if (state.lookup) gl.uniform3f(uniforms.uLooked, state.lookup.u, state.lookup.v, state.lookup.radius);
    gl.uniform2f(uniforms.uOrigin, x * ratio, y * ratio);
    gl.uniform1f(uniforms.uHeight, canvas.height);
    gl.uniform1f(uniforms.uZoom, currentZoom(pair, panel) * ratio);
    gl.uniform2f(uniforms.uSize, pair.width, pair.height);
    gl.uniform1f(uniforms.uScale, state.scale);
    gl.uniform1f(uniforms.uOpacity, state.opacity);
    gl.uniform1f(uniforms.uSplit, state.split);
    gl.uniform1f(uniforms.uGain, state.gain);
    gl.uniform1f(uniforms.uBeyond, BEYOND[state.style] ?? 1);
    gl.uniform1f(uniforms.uReduction, content.reduction);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  return {
    name: "WebGL2",
    draw(pair, panels, background, ratio) {
      if (shown !== pair) uploadPair(pair);
      const [r, g, b] = background.map((level) => level / 255);
      gl.scissor(0, 0, canvas.width, canvas.height);
      gl.clearColor(r, g, b, 1);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform3f(uniforms.uBackground, r, g, b);
      for (const panel of panels) drawPanel(pair, panel, ratio);
    },
  };
}
