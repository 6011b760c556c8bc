// The corruption layers of `coursekit.layers`, drawn by the browser.

/** Numbers evenly distributed on [0, 1), always the same for one seed (Mulberry32). */
function uniform(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What becomes of a pixel x, given two uniform numbers; `p` is the share of pixels hit. */
const CORRUPTIONS = {
  gaussian: {
    pixel({ strength, clip }, x, u, v) {
      const noisy = x + Math.sqrt(strength) * gaussian(u, v);
      return clip ? clamp(noisy, [0, 1]) : noisy;
    },
    native: ({ strength }) => `σ = ${Math.sqrt(strength).toFixed(2)}`,
  },
  masking: {
    pixel: ({ p }, x, u) => (u < p ? 0 : x),
    native: ({ p }) => `${percent(p)} of the pixels black`,
  },
  "salt and pepper": {
    pixel: ({ p }, x, u, v) => (u < p ? Number(v < 0.5) : x),
    native: ({ p }) => `${percent(p)} of the pixels black or white`,
  },
};

const percent = (share) => `${Math.round(100 * share)} %`;

/** How one kind of noise, as Python describes it, acts at a strength. */
const atStrength = (noise, strength) => ({ ...noise, strength, p: strength / noise.change_per_hit });

/**
 * x_tilde: two draws per pixel whatever the kind, so that pixels are hit in one order, and a
 * slider of the strength adds noise without shuffling it.
 */
function corrupt(kind, noise, x, seed) {
  const random = uniform(seed);
  return Float32Array.from(x, (value) => CORRUPTIONS[kind].pixel(noise, value, random(), random()));
}
