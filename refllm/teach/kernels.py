"""Running a notebook as the notebook lane does: a fresh kernel, its own folder, no network, the CPU.

`execute` fills in the outputs of a notebook in memory; it reads and writes no file and stops at the first cell that
fails (a cell tagged `raises-exception` may fail). `environment` is what its kernel, and the lane's, is started with:
nothing of the user's own IPython settings, a fixed width, time zone and hash seed, so that the outputs are the same
everywhere.
"""

import os
import pathlib
import shutil

from refllm.errors import RefllmError
from refllm.teach import offline

SETTINGS = {
    "JAX_PLATFORMS": "cpu",
    "PYTHONHASHSEED": "0",
    "COLUMNS": "100",
    "TZ": "UTC",
    "NO_COLOR": "1",
}
# Jupyter's remark that the loopback is not encrypted is no news in a lesson.
KERNEL_CONFIG = 'c = get_config()\nc.IPKernelApp.log_level = "ERROR"\n'
SECONDS_PER_CELL = 60


def environment(folder: pathlib.Path) -> dict[str, str]:
    """The environment of a lesson's kernel; the empty `folder` is its own and must outlive it."""
    # Its first import on a machine searches for fonts and says so: here nobody hears it.
    import matplotlib.font_manager  # noqa: F401

    shutil.copy(offline.__file__, folder / "sitecustomize.py")
    profile = folder / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text(KERNEL_CONFIG)
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return {**os.environ, **SETTINGS, "PYTHONPATH": path, "IPYTHONDIR": str(folder / "ipython")}


def execute(notebook, cwd: pathlib.Path, environment: dict[str, str]) -> None:
    """Run every code cell of `notebook` in order in a fresh kernel and store what it puts out."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        record_timing=False,
        shutdown_kernel="immediate",
        resources={"metadata": {"path": str(cwd)}},
    )
    count = 0
    with client.setup_kernel(env=environment):
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            count += 1
            try:  # without history, as nbval does: a trailing semicolon hides nothing, `_` and `Out` do not work
                client.execute_cell(cell, index, execution_count=count, store_history=False)
            except CellExecutionError as error:
                raise RefllmError(f"cell {index + 1} raised {error.ename}: {error.evalue}") from error
            except (CellTimeoutError, DeadKernelError) as error:
                raise RefllmError(f"cell {index + 1} did not end: {str(error).splitlines()[0]}") from error
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = count
