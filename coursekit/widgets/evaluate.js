// Who evaluates a Keras model for a view: the browser, or the kernel on request.

/**
 * evaluate(x, show) for the way of evaluation that the widget names; `show` gets the output as a
 * flat array, `say` what went wrong in the kernel, or nothing.
 */
function evaluator(model, listen, say) {
  if (model.get("evaluation") === "kernel") return kernelEvaluator(model, listen, say);
  const weights = readBytes(model.get("_weights"), Float32Array);
  const evaluate = denseModel(model.get("_steps"), weights);
  return (x, show) => show(evaluate(x));
}

/** Asks Python; one request at a time, and after each answer only the newest input. */
function kernelEvaluator(model, listen, say) {
  const view = Math.random();
  let busy = false;
  let next = null;
  let draw;
  const ask = () => {
    busy = true;
    model.send({ view, input: Array.from(next) });
    next = null;
  };
  listen("msg:custom", (message, [buffer] = []) => {
    if (message.view !== view) return;
    say(message.error);
    if (buffer) draw(readBytes(buffer, Float32Array));
    busy = false;
    if (next) ask();
  });
  return (x, show) => {
    next = x;
    draw = show;
    if (!busy) ask();
  };
}
