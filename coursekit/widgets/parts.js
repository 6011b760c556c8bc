// Parts of the course's widgets: image, plane, sliders, buttons. A part draws what it is told and
// reports what the hand does; it knows nothing of the model.

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A bytes trait as an array of `Type`: copied, since the message's buffer need not be aligned. */
function readBytes(view, Type) {
  return new Type(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

/** `listen(event, listener)` to the model, and `stopListening()` when the view goes. */
function listener(model) {
  const undo = [];
  const listen = (event, heard) => {
    model.on(event, heard);
    undo.push(() => model.off(event, heard));
  };
  return { listen, stopListening: () => undo.forEach((off) => off()) };
}

/** Of two numbers evenly drawn from [0, 1), one of the standard normal distribution. */
const gaussian = (u, v) => Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v);

const clamp = (value, [low, high]) => Math.min(Math.max(value, low), high);

/** Unit 0 is z₁. */
const unitName = (unit) => `z${`${unit + 1}`.replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit])}`;

const number = (value) => value.toFixed(2).replace("-", "−");

/** Four to nine round numbers from low to high. */
function ticks([low, high]) {
  const rough = (high - low) / 9;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((multiple) => multiple * power >= rough);
  const first = Math.ceil(low / step);
  const count = Math.floor(high / step) - first + 1;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: count }, (_, i) => {
    const value = (first + i) * step;
    return [value, value.toFixed(digits).replace(/^-(?=0\.?0*$)/, "").replace("-", "−")];
  });
}

/** Pixels from values in [0, 1], black to white; values outside are drawn as the nearer end. */
class ImageCanvas {
  constructor([height, width, channels], label) {
    this.element = make("canvas", { class: "ck-image", width, height, role: "img" });
    this.element.setAttribute("aria-label", label);
    this.context = this.element.getContext("2d");
    this.pixels = this.context.createImageData(width, height);
    this.pixels.data.fill(255);
    this.channels = channels;
  }

  draw(values) {
    const data = this.pixels.data; // a clamped array: rounds and saturates
    const [green, blue] = this.channels === 3 ? [1, 2] : [0, 0];
    for (let p = 0, v = 0; p < data.length; p += 4, v += this.channels) {
      data[p] = 255 * values[v];
      data[p + 1] = 255 * values[v + green];
      data[p + 2] = 255 * values[v + blue];
    }
    this.context.putImageData(this.pixels, 0, 0);
  }
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
const PLANE = { size: 340, left: 46, bottom: 44, edge: 8 };

/**
 * Two coordinates chosen on a plane by pointer, touch or arrow keys, over a cloud of points.
 * Calls `onMove([x, y])` for every move and `onEnd()` once, when the hand lets go.
 */
class Plane {
  /** `marks` is { name: text } of the places that `mark` will show; "here" is the hand's. */
  constructor({ label, marks, onMove, onEnd }) {
    this.onMove = onMove;
    this.onEnd = onEnd;
    const { size } = PLANE;
    this.cloud = make("canvas");
    this.axes = makeSvg("svg", { class: "ck-axes", viewBox: `0 0 ${size} ${size}` });
    this.axes.setAttribute("aria-hidden", "true");
    this.marks = {};
    for (const [name, text] of Object.entries(marks)) {
      this.marks[name] = make("div", { class: `ck-mark ck-${name}`, "aria-hidden": "true" }, text);
    }
    this.element = make(
      "div",
      {
        class: "ck-plane",
        tabindex: 0,
        role: "slider",
        "aria-roledescription": "slider in two dimensions",
        "aria-label": label,
        "data-lm-suppress-shortcuts": "true", // JupyterLab would take the arrow keys
      },
      this.cloud,
      this.axes,
      ...Object.values(this.marks),
    );
    this.listen();
  }

  /** `axes` is [{ name, limits }, { name, limits }], `points` are x, y pairs, `colors` theirs. */
  show(axes, points, colors) {
    this.limits = axes.map((axis) => axis.limits);
    this.names = axes.map((axis) => axis.name);
    this.drawAxes();
    this.drawCloud(points, colors);
  }

  /** Where [x, y] lies on the drawing. */
  toPlace([x, y]) {
    const { size, left, bottom, edge } = PLANE;
    const [[x0, x1], [y0, y1]] = this.limits;
    return [
      left + ((x - x0) / (x1 - x0)) * (size - left - edge),
      size - bottom - ((y - y0) / (y1 - y0)) * (size - bottom - edge),
    ];
  }

  toPoint(event) {
    const { size, left, bottom, edge } = PLANE;
    const box = this.element.getBoundingClientRect();
    const x = (event.clientX - box.left) * (size / box.width) - left;
    const y = size - bottom - (event.clientY - box.top) * (size / box.height);
    return [x / (size - left - edge), y / (size - bottom - edge)].map((share, axis) => {
      const [low, high] = this.limits[axis];
      return clamp(low + share * (high - low), [low, high]);
    });
  }

  /** Moves the marks to { name: [x, y] }, and hides those whose place is null. */
  mark(places) {
    for (const [name, at] of Object.entries(places)) {
      const { style } = this.marks[name];
      style.display = at ? "" : "none";
      if (!at) continue;
      // The compositor moves a mark; nothing is painted again. 100cqw is the plane's width.
      const [x, y] = this.toPlace(at).map((place) => `${(100 * place) / PLANE.size}cqw`);
      style.transform = `translate(${x}, ${y})`;
    }
    this.at = places.here;
    const said = this.at.map((value, axis) => `${this.names[axis]} ${number(value)}`);
    this.element.setAttribute("aria-valuetext", said.join(", "));
    this.element.setAttribute("aria-valuenow", this.at[0]);
  }

  listen() {
    const { element } = this;
    let dragging = false;
    let keyed = false;
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || dragging) return;
      dragging = true;
      element.setPointerCapture(event.pointerId);
      this.onMove(this.toPoint(event));
    });
    element.addEventListener("pointermove", (event) => {
      if (dragging && event.isPrimary) this.onMove(this.toPoint(event));
    });
    element.addEventListener("lostpointercapture", () => {
      dragging = false;
      this.onEnd();
    });
    element.addEventListener("keydown", (event) => {
      const direction = ARROWS[event.key];
      if (!direction || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      keyed = true;
      const share = event.shiftKey ? 0.1 : 0.01;
      this.onMove(
        this.at.map((value, axis) => {
          const [low, high] = this.limits[axis];
          return clamp(value + direction[axis] * share * (high - low), [low, high]);
        }),
      );
    });
    const letGo = () => {
      if (keyed) this.onEnd();
      keyed = false;
    };
    element.addEventListener("keyup", letGo);
    element.addEventListener("blur", letGo);
  }

  drawAxes() {
    const { size, left, bottom, edge } = PLANE;
    const floor = size - bottom;
    const [x0, y0] = this.limits.map((limits) => limits[0]);
    const frame = { x: left, y: edge, width: size - left - edge, height: floor - edge };
    const drawn = [makeSvg("rect", frame)];
    for (const [value, text] of ticks(this.limits[0])) {
      const [x] = this.toPlace([value, y0]);
      drawn.push(makeSvg("line", { x1: x, x2: x, y1: floor, y2: floor + 4 }));
      drawn.push(makeSvg("text", { x, y: floor + 17 }, text));
    }
    for (const [value, text] of ticks(this.limits[1])) {
      const [, y] = this.toPlace([x0, value]);
      drawn.push(makeSvg("line", { x1: left - 4, x2: left, y1: y, y2: y }));
      drawn.push(makeSvg("text", { x: left - 7, y: y + 4, class: "ck-end" }, text));
    }
    const below = { x: (left + size - edge) / 2, y: size - 8, class: "ck-name" };
    const beside = { x: 12, y: (edge + floor) / 2, class: "ck-name" };
    drawn.push(makeSvg("text", below, this.names[0]), makeSvg("text", beside, this.names[1]));
    this.axes.replaceChildren(...drawn);
    this.element.setAttribute("aria-valuemin", this.limits[0][0]);
    this.element.setAttribute("aria-valuemax", this.limits[0][1]);
  }

  drawCloud(points, colors) {
    const scale = window.devicePixelRatio;
    this.cloud.width = this.cloud.height = PLANE.size * scale;
    const context = this.cloud.getContext("2d");
    context.scale(scale, scale);
    context.globalAlpha = 0.55;
    for (let i = 0; i < colors.length; i++) {
      const [x, y] = this.toPlace([points[2 * i], points[2 * i + 1]]);
      context.fillStyle = colors[i];
      context.beginPath();
      context.arc(x, y, 2, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

/** A named slider: `onMove(value)` while it is held, `onEnd()` when it is let go. */
class Slider {
  constructor({ name, hint = "", step = "any", onMove, onEnd }) {
    this.input = make("input", {
      type: "range",
      step,
      "aria-label": name,
      "data-lm-suppress-shortcuts": "true",
    });
    this.value = make("span", { class: "ck-value", "aria-hidden": "true" });
    const row = [make("span", { class: "ck-unit" }, name), this.input, this.value];
    this.element = make("label", { class: "ck-slider", title: hint }, ...row);
    this.input.addEventListener("input", () => onMove(this.input.valueAsNumber));
    this.input.addEventListener("change", onEnd);
  }

  show(value, [low, high], text = number(value)) {
    Object.assign(this.input, { min: low, max: high, value });
    this.value.textContent = text;
    this.input.setAttribute("aria-valuetext", text);
  }
}

function button(text, hint, onClick) {
  const element = make("button", { type: "button", title: hint }, text);
  element.addEventListener("click", onClick);
  return element;
}

function choice(label, options, onChange) {
  const select = make("select", { "aria-label": label });
  for (const [value, text] of options) select.append(make("option", { value }, text));
  select.addEventListener("change", () => onChange(Number(select.value)));
  return select;
}

function legend(entries) {
  const items = entries.map(([name, color]) => {
    const dot = make("i");
    dot.style.background = color;
    return make("li", {}, dot, name);
  });
  return make("ul", { class: "ck-legend", "aria-label": "Classes" }, ...items);
}
