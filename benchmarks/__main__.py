"""`python -m benchmarks [NAME ...] [--json FILE]`: run the benchmarks of this folder, or those named.

A benchmark is a module here with a function `run()` that returns rows: dictionaries with the same keys.
"""

import argparse
import importlib
import json
import pathlib
import platform
import sys

from benchmarks.timing import table

FOLDER = pathlib.Path(__file__).parent
HELPERS = ("synthetic", "timing")
NAMES = sorted(path.stem for path in FOLDER.glob("[a-z]*.py") if path.stem not in HELPERS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the rows to this file too")
    args = parser.parse_args()
    unknown = set(args.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    results = {}
    for name in args.names or NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"{name}: {module.__doc__.splitlines()[0]}", flush=True)
        results[name] = module.run()
        print(table(results[name]), end="\n\n", flush=True)
    if args.json:
        about = {"python": platform.python_version(), "machine": platform.machine()}
        args.json.write_text(json.dumps(about | {"results": results}, indent=1))
    return 0


sys.exit(main())
