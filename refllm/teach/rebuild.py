"""`make notebooks`: run every lesson again from the start and save it, with its student copy beside it.

    python -m refllm.teach.rebuild notebooks            all of them, in order
    python -m refllm.teach.rebuild notebooks 01 02      only these

What is stored is what a clean run puts out: counts from 1, no trace of the machine (kernel, times, tracebacks with
their paths, widget state), one stream output where the kernel sent several. A lesson is saved whole or not at all:
interrupted or failing, it stays as it was. At the end it says which rules of `hygiene` a lesson breaks.
"""

import argparse
import pathlib
import sys
import tempfile
import time

from refllm.errors import RefllmError
from refllm.files import atomic_write
from refllm.teach import hygiene, kernels
from refllm.teach.student import student_copy


def main(argv: list[str] | None = None) -> int:
    """Rebuild the lessons of a folder; the exit status is 0 when all ran and keep the rules."""
    parser = argparse.ArgumentParser(prog="python -m refllm.teach.rebuild", description="re-execute and save notebooks")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("lessons", nargs="*", help="numbers, as 01; all when none is given")
    args = parser.parse_args(argv)
    clean = True
    try:
        for path in lessons(args.folder, args.lessons):
            clean &= _rebuild_and_report(path)
    except RefllmError as error:
        print(f"rebuild: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; the lesson that was running stays as it was", file=sys.stderr)
        return 130
    return 0 if clean else 1


def lessons(folder: pathlib.Path, numbers: list[str] | None = None) -> list[pathlib.Path]:
    """The notebooks `NN_title.ipynb` of a folder in their order, or those of the given numbers."""
    if not numbers:
        return sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    found = []
    for number in numbers:
        matching = sorted(folder.glob(f"{number}_*.ipynb"))
        if not matching:
            raise RefllmError(f"{folder}: no notebook {number}_*.ipynb")
        found += matching
    return found


def rebuild(path: pathlib.Path) -> list[str]:
    """Run one lesson, save it and its student copy, and return the rules that it breaks."""
    notebook = read(path)
    with tempfile.TemporaryDirectory() as folder:
        kernels.execute(notebook, path.parent, kernels.environment(pathlib.Path(folder)))
    tidy(notebook)
    write(path, notebook)
    student = path.parent / "student" / path.name
    student.parent.mkdir(exist_ok=True)
    write(student, student_copy(notebook))
    return hygiene.findings(notebook)


def _rebuild_and_report(path: pathlib.Path) -> bool:
    print(f"{path.name} ...", end=" ", flush=True)
    start = time.perf_counter()
    try:
        findings = rebuild(path)
    except RefllmError as error:
        print("failed")
        raise RefllmError(f"{path.name}: {error}; nothing was saved") from error
    print(f"{time.perf_counter() - start:.1f} s")
    for finding in findings:
        print(f"  {finding}")
    return not findings


def read(path: pathlib.Path):
    """The notebook in this file."""
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except (ValueError, OSError) as error:
        raise RefllmError(f"{path}: not a readable notebook: {error}") from error


def write(path: pathlib.Path, notebook) -> None:
    """Save a notebook: the file is replaced only when all of it is written."""
    import nbformat

    nbformat.validate(notebook)
    with atomic_write(path) as file:
        file.write((nbformat.writes(notebook).rstrip() + "\n").encode())


def tidy(notebook) -> None:
    """Drop what depends on the machine or on the moment."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "refllm": notebook.metadata.get("refllm", {}),
    }
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = {"tags": tags} if tags else {}
        if cell.cell_type == "code":
            cell.outputs = one_output_per_stream(cell.outputs)
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = [f"{output.ename}: {output.evalue}"]


def one_output_per_stream(outputs: list) -> list:
    """Join neighbouring pieces of one stream: where the kernel cut it is chance."""
    joined = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


if __name__ == "__main__":
    sys.exit(main())
