// One program draws every kind of panel: a pixel of the panel looks up its pixel of the frame and is coloured there.

export const VERTEX = `#version 300 es
void main() {
  // One triangle that covers the panel.
  gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0, 1);
}`;

export const SHOW = { flow: 0, frame1: 1, frame2: 2, warped: 3, difference: 4, split: 5, error: 6 };
export const STYLE = { wheel: 0, hsv: 1, magnitude: 2, u: 3, v: 4 };

export const FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler2D;
uniform sampler2D uFlow, uOther, uFrame1, uFrame2, uMasks, uHues, uViridis;
uniform int uShow, uStyle;
uniform bool uHasFrame1, uOcclusion, uConfidence, uLookup;
uniform vec2 uOrigin;    // of the frame, in device px from the top left of the canvas
uniform float uHeight;   // of the canvas, in device px
uniform float uZoom;     // device px per pixel
uniform vec2 uSize;      // of the frame, in pixels
uniform float uScale, uOpacity, uSplit, uGain, uBeyond, uReduction;
uniform vec3 uLooked;    // u, v and radius, in px
uniform vec3 uBackground;
out vec4 color;

const float UNKNOWN = 1e9;

vec3 colorByDirection(vec2 flow) {
  // The texture holds hues on a circle of radius 255 around (256, 256).
  float size = max(length(flow), 1e-20);
  vec3 hue = texelFetch(uHues, ivec2(flow * (255.0 / size) + 256.5), 0).rgb;
  float r = size / uScale;
  return r > 1.0 ? hue * uBeyond : 1.0 - r * (1.0 - hue);
}

vec3 colorBySign(float value) {
  float t = clamp(value / uScale, -1.0, 1.0);
  return t < 0.0 ? 1.0 + t * vec3(222, 153, 83) / 255.0 : 1.0 - t * vec3(77, 231, 212) / 255.0;
}

vec3 colorOf(vec2 flow) {
  if (abs(flow.x) > UNKNOWN) return vec3(0);
  if (uStyle == 2) return texelFetch(uViridis, ivec2(int(min(1.0, length(flow) / uScale) * 255.0 + 0.5), 0), 0).rgb;
  if (uStyle == 3) return colorBySign(flow.x);
  if (uStyle == 4) return colorBySign(flow.y);
  return colorByDirection(flow);
}

vec3 colorOfError(vec2 a, vec2 b) {
  if (abs(a.x) > UNKNOWN || abs(b.x) > UNKNOWN) return vec3(70.0 / 255.0);
  float level = log2(max(distance(a, b), 0.1) / 0.1) / log2(10.0);
  return clamp(level - vec3(0, 1, 2), 0.0, 1.0);
}

// Nearest when enlarged, so that single pixels can be seen; averaged when shrunk.
vec3 frame(sampler2D image, vec2 p) {
  return uZoom >= 1.0 ? texelFetch(image, ivec2(p), 0).rgb : texture(image, p / uSize).rgb;
}

vec3 pixel(ivec2 p) {
  bool inside = p.x >= 0 && p.y >= 0 && p.x < int(uSize.x) && p.y < int(uSize.y);
  return inside ? texelFetch(uFrame2, p, 0).rgb : vec3(0);
}

// Frame 2 where the flow says, bilinear, black outside, as flowcli/warping does it.
vec3 warped(ivec2 p, vec2 flow) {
  if (abs(flow.x) > UNKNOWN) return vec3(0);
  vec2 place = vec2(p) + flow / uReduction;
  ivec2 corner = ivec2(floor(place));
  vec2 f = place - vec2(corner);
  vec3 top = mix(pixel(corner), pixel(corner + ivec2(1, 0)), f.x);
  return mix(top, mix(pixel(corner + ivec2(0, 1)), pixel(corner + ivec2(1, 1)), f.x), f.y);
}

void main() {
  vec2 p = (vec2(gl_FragCoord.x, uHeight - gl_FragCoord.y) - uOrigin) / uZoom;
  if (p.x < 0.0 || p.y < 0.0 || p.x >= uSize.x || p.y >= uSize.y) {
    color = vec4(uBackground, 1);
    return;
  }
  ivec2 place = ivec2(p);
  vec2 flow = texelFetch(uFlow, place, 0).xy;
  vec3 shown;
  if (uShow == 0) {
    shown = colorOf(flow);
    // Below a veil of flow, sparse flow (KITTI's truth) lets the frame through.
    float opacity = abs(flow.x) > UNKNOWN && uOpacity < 1.0 ? 0.0 : uOpacity;
    if (uHasFrame1 && opacity < 1.0) shown = mix(frame(uFrame1, p), shown, opacity);
  } else if (uShow == 1) {
    shown = frame(uFrame1, p);
  } else if (uShow == 2) {
    shown = frame(uFrame2, p);
  } else if (uShow == 3) {
    shown = warped(place, flow);
  } else if (uShow == 4) {
    shown = min(vec3(1), uGain * abs(texelFetch(uFrame1, place, 0).rgb - warped(place, flow)));
  } else if (uShow == 5) {
    float edge = uSplit * uSize.x;
    shown = p.x < edge ? frame(uFrame1, p) : warped(place, flow);
    if (abs(p.x - edge) * uZoom < 1.0) shown = vec3(1, 1, 0);
  } else {
    shown = colorOfError(flow, texelFetch(uOther, place, 0).xy);
  }
  if (uShow != 2) {
    vec2 masks = uOcclusion || uConfidence ? texelFetch(uMasks, place, 0).rg : vec2(0);
    if (uConfidence) shown *= 0.12 + 0.88 * masks.g;
    bool stripe = mod(gl_FragCoord.x + gl_FragCoord.y, 8.0) < 3.0;
    if (uOcclusion && masks.r > 0.0) shown = stripe ? vec3(0.9, 0.1, 0.5) : shown * 0.6;
    if (uLookup && !(distance(flow, uLooked.xy) <= uLooked.z)) shown = vec3(0.12) + 0.12 * dot(shown, vec3(0.333));
  }
  color = vec4(shown, 1);
}`;
