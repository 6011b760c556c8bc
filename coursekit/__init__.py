"""coursekit: what the notebooks of the autoencoder course share.

``import coursekit as ck`` and ``run = ck.setup(seed=0)`` begin every lecture.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - a checkout can be imported without asking pip
    raise ImportError(
        "coursekit needs Python 3.11, 3.12 or 3.13, and this is Python "
        + ".".join(map(str, sys.version_info[:3]))
        + "; make a new environment with one of those (README, 'Install')."
    )

# runtime comes first: it settles the Keras backend and its log level before Keras is imported.
from coursekit.runtime import Run, setup  # isort: skip
from coursekit import (
    callbacks,
    datasets,
    digits,
    layers,
    losses,
    metrics,
    models,
    plots,
    priors,
    regularizers,
    widgets,
)
from coursekit.checks import CheckFailed, check
from coursekit.expectations import ExpectationError, expect
from coursekit.gradients import gradient, jacobian
from coursekit.sweeps import Trial, sweep

__all__ = [
    "CheckFailed",
    "ExpectationError",
    "Run",
    "Trial",
    "callbacks",
    "check",
    "datasets",
    "digits",
    "expect",
    "gradient",
    "jacobian",
    "layers",
    "losses",
    "metrics",
    "models",
    "plots",
    "priors",
    "regularizers",
    "setup",
    "sweep",
    "widgets",
]
