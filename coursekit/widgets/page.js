// The model that a widget on a static page talks to: the traits, and nobody else who listens.

function showOnPage(el, state) {
  const fromBase64 = (text) =>
    new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
  const listeners = [];
  const model = {
    get: (name) => state[name],
    set(name, value) {
      state[name] = value;
      for (const [event, listener] of listeners) if (event === `change:${name}`) listener();
    },
    save_changes() {},
    on: (event, listener) => listeners.push([event, listener]),
    off() {}, // the view lives as long as the page
  };
  for (const [name, value] of Object.entries(state)) {
    if (value?.base64 !== undefined) state[name] = fromBase64(value.base64);
  }
  render({ model, el });
}
