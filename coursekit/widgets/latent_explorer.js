// LatentExplorer: a code, moved on a plane or unit by unit, and the image decoded from it.

const PLAY_MS = 2500;
const UNLABELED = "#717581";

/** Between the four nearest images of the grid, bilinearly. */
function gridDecoder(model) {
  const grid = readBytes(model.get("_grid"), Uint8Array);
  const limits = model.get("_limits");
  const size = model.get("_image_shape").reduce((a, b) => a * b);
  const side = Math.sqrt(grid.length / size);
  const image = new Float64Array(size);
  return (z, show) => {
    const [[column, right], [row, up]] = z.map((value, axis) => {
      const [low, high] = limits[axis];
      const place = ((value - low) / (high - low)) * (side - 1);
      const cell = clamp(Math.floor(place), [0, side - 2]);
      return [cell, place - cell];
    });
    const here = (row * side + column) * size;
    const above = here + side * size;
    for (let i = 0; i < size; i++) {
      const lower = (1 - right) * grid[here + i] + right * grid[here + size + i];
      const upper = (1 - right) * grid[above + i] + right * grid[above + size + i];
      image[i] = ((1 - up) * lower + up * upper) / 255;
    }
    show(image);
  };
}

/** One Gaussian draw per unit, with the codes' mean and spread, within the limits. */
function randomCode(model) {
  const [center, spread] = [model.get("_center"), model.get("_spread")];
  return model.get("_limits").map(([low, high], unit) => {
    let value;
    do value = center[unit] + spread[unit] * gaussian(Math.random(), Math.random());
    while (value < low || value > high);
    return value;
  });
}

function nearestCode(z, codes) {
  let best = 0;
  let least = Infinity;
  for (let i = 0; i < codes.length; i += z.length) {
    const distance = z.reduce((sum, value, unit) => sum + (value - codes[i + unit]) ** 2, 0);
    if (distance < least) [best, least] = [i / z.length, distance];
  }
  return best;
}

function render({ model, el }) {
  const { listen, stopListening } = listener(model);
  const size = model.get("z").length;
  const codes = readBytes(model.get("_codes"), Float32Array);
  const rows = readBytes(model.get("_rows"), Int32Array);
  const classes = readBytes(model.get("_classes"), Uint8Array);
  const palette = model.get("_legend").map(([, color]) => color);
  const colors = Array.from(rows, (_, i) => palette[classes[i]] ?? UNLABELED);
  const say = (error) => (small.textContent = error ?? model.get("notice"));
  const grid = model.get("evaluation") === "grid";
  const decode = grid ? gridDecoder(model) : evaluator(model, listen, say);
  let z = model.get("z");
  let playing = 0;

  // Moving is the view's own affair; the model, and with it Python, hears of it at the end.
  const moveTo = (code) => {
    z = code;
    draw();
  };
  const commit = (changes = {}) => {
    for (const [name, value] of Object.entries({ ...changes, z })) model.set(name, value);
    model.save_changes();
  };
  const stop = () => {
    if (!playing) return;
    cancelAnimationFrame(playing);
    playing = 0;
    commit();
    showState();
  };
  const jumpTo = (code, changes) => {
    stop();
    moveTo(code);
    commit(changes);
  };

  const image = new ImageCanvas(model.get("_image_shape"), "Image decoded from the current code");
  const plane = new Plane({
    label: "Plane of codes: drag, or move with the arrow keys; with Shift in larger steps",
    marks: { home: "", a: "A", b: "B", here: "" },
    onMove(point) {
      stop();
      const code = [...z];
      model.get("units").forEach((unit, axis) => (code[unit] = point[axis]));
      moveTo(code);
    },
    onEnd: commit,
  });
  const sliders = model.get("_order").map((unit) => {
    const onMove = (value) => {
      stop();
      moveTo(z.map((old, i) => (i === unit ? value : old)));
    };
    return new Slider({ name: unitName(unit), onMove, onEnd: () => commit() });
  });
  const position = make("output", { class: "ck-position" });

  const gaussianHint = "A draw from a Gaussian with the codes' mean and spread";
  const random = button("Random code", gaussianHint, () => jumpTo(randomCode(model)));
  const nearestHint = "Choose the encoded example closest to this code";
  const nearest = button("Nearest example", nearestHint, () => {
    const found = nearestCode(z, codes);
    const home = Array.from(codes.subarray(found * size, (found + 1) * size));
    jumpTo(home, { example: rows[found], _home: home });
  });
  const back = button("", "Return to the chosen example", () => jumpTo(model.get("_home")));
  const pins = ["a", "b"].map((end) => {
    const name = end.toUpperCase();
    return button(`Pin ${name}`, `Make this code end ${name} of an interpolation`, () => {
      stop();
      commit({ [end]: z });
    });
  });
  const play = button("", "Move in a straight line from A to B", () => {
    if (playing) return stop();
    const [a, b] = [model.get("a"), model.get("b")];
    const start = performance.now();
    const step = (now) => {
      const share = clamp((now - start) / PLAY_MS, [0, 1]);
      moveTo(a.map((value, unit) => (1 - share) * value + share * b[unit]));
      if (share < 1) playing = requestAnimationFrame(step);
      else stop();
    };
    playing = requestAnimationFrame(step);
    showState();
  });

  const named = model.get("_order").map((unit) => [unit, unitName(unit)]);
  const axisChoices = ["Horizontal", "Vertical"].map((name, axis) =>
    choice(`${name} axis`, named, (unit) => {
      const units = [...model.get("units")];
      if (units[1 - axis] === unit) units[1 - axis] = units[axis]; // a swap, not twice the same
      units[axis] = unit;
      model.set("units", units);
      model.save_changes();
    }),
  );

  function draw() {
    decode(z, (values) => image.draw(values));
    if (size > 1) {
      const on = (code) => code && model.get("units").map((unit) => code[unit]);
      const [home, a, b] = ["_home", "a", "b"].map((name) => on(model.get(name)));
      plane.mark({ home, a, b, here: on(z) });
    }
    if (size === 2) position.textContent = `z = (${z.map(number).join(", ")})`;
    else {
      const limits = model.get("_limits");
      model.get("_order").forEach((unit, i) => sliders[i].show(z[unit], limits[unit]));
    }
  }

  function showState() {
    play.textContent = playing ? "Stop" : "Play A → B";
    play.disabled = !(model.get("a") && model.get("b"));
    back.textContent = `Back to example ${model.get("example")}`;
  }

  function showPlane() {
    const units = model.get("units");
    const limits = model.get("_limits");
    const axes = units.map((unit) => ({ name: unitName(unit), limits: limits[unit] }));
    const points = Float32Array.from({ length: 2 * rows.length }, (_, i) => {
      return codes[(i >> 1) * size + units[i & 1]];
    });
    plane.show(axes, points, colors);
    axisChoices.forEach((select, axis) => (select.value = units[axis]));
  }

  const row = make("div", { class: "ck-row" });
  if (size > 1) row.append(make("div", { class: "ck-column" }, plane.element));
  row.append(make("div", { class: "ck-column ck-decoded" }, image.element));
  if (size === 2) row.lastChild.append(position);
  else row.append(make("div", { class: "ck-sliders" }, ...sliders.map(({ element }) => element)));
  if (size > 2) {
    const [across, up] = axisChoices;
    row.firstChild.append(make("div", { class: "ck-bar ck-axis-choice" }, across, "and", up));
  }
  if (palette.length) row.firstChild.append(legend(model.get("_legend")));
  const examples = rows.length ? [nearest, back] : [];
  const bar = make("div", { class: "ck-bar" }, random, ...examples, ...pins, play);
  const small = make("p", { class: "ck-notice" }, model.get("notice"));
  el.append(make("div", { class: "ck" }, row, bar, small));

  const showAll = () => {
    if (size > 1) showPlane();
    showState();
    draw();
  };
  listen("change:z", () => moveTo(model.get("z")));
  for (const name of ["units", "_limits"]) listen(`change:${name}`, showAll);
  for (const name of ["a", "b", "example", "_home"]) {
    listen(`change:${name}`, () => {
      showState();
      draw();
    });
  }
  showAll();
  return () => {
    cancelAnimationFrame(playing);
    stopListening();
  };
}

export default { render };
