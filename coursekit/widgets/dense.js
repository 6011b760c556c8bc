// Dense models in the browser. `_base.py` joins this file with the other parts and with one
// widget's own file into the single module that anywidget loads: names are shared, not imported.

/** All terms of this series have x's sign, so nothing cancels: exact to the last digits. */
function erf(x) {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const ACTIVATIONS = {
  tanh: () => Math.tanh,
  sigmoid: () => (x) => 1 / (1 + Math.exp(-x)),
  softplus: () => (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  leaky_relu: ({ negative_slope }) => (x) => (x < 0 ? negative_slope * x : x),
  gelu: ({ approximate }) =>
    approximate
      ? (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
      : (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
};

const LAYERS = {
  dense({ inputs, outputs }, take) {
    const kernel = take(inputs * outputs);
    const bias = take(outputs);
    const sums = new Float64Array(outputs);
    return (x) => {
      sums.set(bias);
      // Inputs outside, outputs inside: the order in which Keras stores the kernel. Four inputs
      // at a time load and store each sum once for the four, which is three times as fast.
      let i = 0;
      for (; i + 3 < inputs; i += 4) {
        const [x0, x1, x2, x3] = [x[i], x[i + 1], x[i + 2], x[i + 3]];
        const row0 = i * outputs;
        const [row1, row2, row3] = [row0 + outputs, row0 + 2 * outputs, row0 + 3 * outputs];
        for (let j = 0; j < outputs; j++) {
          sums[j] +=
            x0 * kernel[row0 + j] +
            x1 * kernel[row1 + j] +
            x2 * kernel[row2 + j] +
            x3 * kernel[row3 + j];
        }
      }
      for (; i < inputs; i++) {
        for (let j = 0, k = i * outputs; j < outputs; j++, k++) sums[j] += x[i] * kernel[k];
      }
      return sums;
    };
  },

  affine({ size }, take) {
    const scale = take(size);
    const shift = take(size);
    return (x) => {
      for (let i = 0; i < size; i++) x[i] = x[i] * scale[i] + shift[i];
      return x;
    };
  },
};

function elementwise(activation) {
  return (x) => {
    for (let i = 0; i < x.length; i++) x[i] = activation(x[i]);
    return x;
  };
}

/**
 * The model x => output as a flat array, from the steps and weights that `read_dense` wrote.
 * The array returned is written over by the next call.
 */
function denseModel(steps, weights) {
  let offset = 0;
  const take = (count) => weights.subarray(offset, (offset += count));
  const layers = steps.map((step) =>
    step.kind in LAYERS ? LAYERS[step.kind](step, take) : elementwise(ACTIVATIONS[step.kind](step)),
  );
  return (x) => layers.reduce((values, layer) => layer(values), Float64Array.from(x));
}
