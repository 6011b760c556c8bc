// NoiseExplorer: an image, corrupted by hand, and what a denoiser makes of it.

/** Peak signal-to-noise ratio in decibels; the peak is 1. */
function psnr(x, other) {
  const squares = x.reduce((sum, value, i) => sum + (value - other[i]) ** 2, 0);
  return 10 * Math.log10(x.length / squares);
}

/** An image under its name, and over what is to be said about it. */
class Picture {
  constructor(shape, name, label) {
    this.canvas = new ImageCanvas(shape, label);
    this.said = make("output");
    const caption = make("figcaption", {}, make("i", {}, name), this.said);
    this.element = make("figure", {}, this.canvas.element, caption);
  }

  show(values, said) {
    this.canvas.draw(values);
    this.said.textContent = said;
  }
}

function render({ model, el }) {
  const { listen, stopListening } = listener(model);
  const shape = model.get("_image_shape");
  const size = shape.reduce((a, b) => a * b);
  const images = readBytes(model.get("_images"), Float32Array);
  const corruptions = model.get("_corruptions");
  const say = (error) => (small.textContent = error ?? model.get("notice"));
  const evaluate = evaluator(model, listen, say);
  let strength = model.get("strength");

  const change = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  const clean = new Picture(shape, "x", "The image");
  const noisy = new Picture(shape, "x̃", "The corrupted image");
  const repaired = new Picture(shape, "x̂", "What the denoiser makes of the corrupted image");

  const kinds = Object.keys(corruptions).map((kind) => {
    const name = kind[0].toUpperCase() + kind.slice(1);
    return [kind, button(name, `${name} noise`, () => change({ kind }))];
  });
  const slider = new Slider({
    name: "Strength",
    hint: "Expected squared change of a pixel: one unit for every kind of noise",
    onMove(value) {
      strength = value;
      draw();
    },
    onEnd: () => change({ strength }),
  });
  const next = button("Next image", "Show the next of the images", () => {
    change({ example: (model.get("example") + 1) % (images.length / size) });
  });
  const fresh = button("Fresh draw", "Draw the noise anew", () => {
    change({ draw: model.get("draw") + 1 });
  });

  function draw() {
    const kind = model.get("kind");
    const noise = atStrength(corruptions[kind], strength);
    const start = model.get("example") * size;
    const x = images.subarray(start, start + size);
    const tilde = corrupt(kind, noise, x, model.get("draw"));
    const decibels = (other) => {
      const value = psnr(x, other);
      return value === Infinity ? "equal to x" : `PSNR ${value.toFixed(1)} dB`;
    };
    clean.show(x, "");
    noisy.show(tilde, decibels(tilde));
    evaluate(tilde, (hat) => repaired.show(hat, decibels(hat)));
    const native = CORRUPTIONS[kind].native(noise);
    slider.show(strength, [0, model.get("_strongest")], `${strength.toFixed(3)} (${native})`);
    for (const [name, pressed] of kinds) pressed.setAttribute("aria-pressed", name === kind);
  }

  const pictures = [clean, noisy, repaired].map(({ element }) => element);
  const choices = { class: "ck-bar", role: "group", "aria-label": "Kind of noise" };
  const small = make("p", { class: "ck-notice" }, model.get("notice"));
  el.append(
    make(
      "div",
      { class: "ck ck-noise" },
      make("div", choices, ...kinds.map(([, element]) => element)),
      slider.element,
      make("div", { class: "ck-pictures" }, ...pictures),
      make("div", { class: "ck-bar" }, next, fresh),
      small,
    ),
  );
  listen("change:strength", () => {
    strength = model.get("strength");
    draw();
  });
  for (const name of ["kind", "example", "draw"]) listen(`change:${name}`, draw);
  draw();
  return stopListening;
}

export default { render };
