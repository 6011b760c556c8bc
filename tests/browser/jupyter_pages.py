"""A Jupyter server of its own folder, and how to run a notebook in its pages."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "browser-tests"
SWITCHES = [
    "--no-sandbox",  # containers run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Commands given before the kernel is connected are silently dropped.
KERNEL_IS_IDLE = """() => {
  const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
  return session?.isReady && session.session?.kernel?.status === "idle";
}"""
EXECUTE = """async (code) => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
  const future = kernel.requestExecute({ code });
  let printed = "";
  future.onIOPub = ({ content }) => {
    if (content.name === "stdout") printed += content.text;
    if (content.traceback) printed += content.traceback.join("\\n");
  };
  await future.done;
  return printed;
}"""


class Jupyter:
    """A Jupyter server that offers JupyterLab, Notebook and the formgrader over one folder.

    That is `notebooks` in the folder given, with what is there already. A kernel outlives its page
    and takes up the next notebook of its name.
    """

    def __init__(self, folder):
        self.folder = folder / "notebooks"
        self.folder.mkdir(exist_ok=True)
        runtime = folder / "runtime"
        labconfig = folder / "config" / "labconfig"
        labconfig.mkdir(parents=True)
        quiet = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
        (labconfig / "page_config.json").write_text(json.dumps(quiet))
        places = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
        environment = {
            **os.environ,
            **{f"JUPYTER_{place}": str(folder / place.split("_")[0].lower()) for place in places},
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "IPYTHONDIR": str(folder / "ipython"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        options = [
            "--no-browser",
            "--allow-root",
            "--ServerApp.port=0",
            f"--ServerApp.root_dir={self.folder}",
            f"--IdentityProvider.token={TOKEN}",
            "--LabApp.expose_app_in_browser=True",
            "--JupyterNotebookApp.expose_app_in_browser=True",
        ]
        with (folder / "server.log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *options],
                cwd=self.folder,  # where the formgrader looks for nbgrader_config.py
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        for _ in range(240):
            found = list(runtime.glob("jpserver-*.json"))
            if found and found[0].read_text():
                self.url = json.loads(found[0].read_text())["url"]
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.25)
        self.stop()
        raise RuntimeError(f"no Jupyter server came up:\n{(folder / 'server.log').read_text()}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def write(self, name, *cells):
        notebook = nbformat.v4.new_notebook()
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
        nbformat.write(notebook, self.folder / name)

    def open(self, page, name, app="lab/tree"):
        """Open the notebook in `app` and wait for its kernel."""
        page.goto(f"{self.url}{app}/{name}?reset&token={TOKEN}")  # no tabs of an earlier visit
        page.wait_for_function(KERNEL_IS_IDLE, timeout=60_000)

    def run(self, page, *cells, app="lab/tree"):
        """Run `cells` as a notebook; one kernel for all such, so that TensorFlow starts once."""
        self.write("cells.ipynb", *cells)
        self.run_all(page, "cells.ipynb", app=app)

    def run_all(self, page, name, *, app="lab/tree", minutes=1):
        """Open the notebook, run all its cells and wait for the end."""
        self.open(page, name, app)
        page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
        page.wait_for_function(KERNEL_IS_IDLE, timeout=minutes * 60_000)

    def execute(self, page, code):
        """What `code` prints in the notebook's kernel."""
        return page.evaluate(EXECUTE, code)

    def hears(self, page, code, expected, *, seconds=10):
        """Whether `code` comes to print `expected` in the kernel.

        A widget sends its next change only when the kernel is done with the last one, so that on a
        busy machine a cell may run in between.
        """
        for _ in range(5 * seconds):
            if self.execute(page, code).strip() == expected:
                return True
            page.wait_for_timeout(200)
        return False
