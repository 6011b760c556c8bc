"""What a process that trains beside this one is started with."""

from coursekit import runtime


def worker_environment(*, threads):
    """Environment variables for a process that trains beside this one, with so many threads.

    Each process would else start a thread per core and, on a GPU, reserve all of its memory.
    """
    environment = {
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    return environment | ({"CUDA_VISIBLE_DEVICES": "-1"} if runtime._gpus_hidden else {})
