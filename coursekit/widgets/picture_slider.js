// PictureSlider: pictures that were drawn beforehand, one per stop of a slider.

function render({ model, el }) {
  const { listen, stopListening } = listener(model);
  const [values, captions] = [model.get("_values"), model.get("_captions")];
  const width = model.get("_width");
  let index = model.get("index");

  const slider = new Slider({
    name: model.get("_label"),
    step: 1,
    onMove: show,
    onEnd() {
      model.set("index", index);
      model.save_changes();
    },
  });
  // All pictures and captions lie upon each other and one is visible: a move loads nothing and
  // shifts nothing.
  const pictures = model.get("_pictures").map((src, stop) => {
    const alt = `${model.get("_alt")} ${model.get("_label")}: ${values[stop]}`.trim();
    const picture = make("img", { src, alt, decoding: "sync", draggable: "false" });
    picture.style.width = `${width}px`;
    picture.onload = () => picture.classList.toggle("ck-enlarged", width > picture.naturalWidth);
    return picture;
  });
  const sentences = captions.map((caption) => make("p", {}, caption));

  function show(stop) {
    index = stop;
    slider.show(index, [0, values.length - 1], values[index]);
    for (const layers of [pictures, sentences]) {
      layers.forEach((layer, i) => layer.classList.toggle("ck-shown", i === index));
    }
  }

  el.append(
    make(
      "div",
      { class: "ck ck-picture-slider" },
      slider.element,
      make("div", { class: "ck-stack" }, ...pictures),
      make("div", { class: "ck-stack ck-caption", "aria-live": "polite" }, ...sentences),
    ),
  );
  listen("change:index", () => show(model.get("index")));
  show(index);
  return stopListening;
}

export default { render };
