"""examples:
  refllm quantize model-f16.gguf model-q4_k_m.gguf Q4_K_M
  refllm quantize model-f16.gguf Q4_K_M 4                  writes ggml-model-Q4_K_M.gguf beside it, with 4 threads
  refllm quantize --imatrix model.imatrix model-f16.gguf model-iq2_xs.gguf IQ2_XS
  refllm quantize --tensor-type ffn_down=Q8_0 --output-tensor-type F16 model-f16.gguf out.gguf Q4_K_S
  refllm quantize --dry-run model-f16.gguf Q5_K_M          only the sizes

The tensors of the new file are those that llama-quantize makes, byte for byte. What a file type gives each tensor is
written down in refllm/quants/mix_table.py."""

import argparse
import pathlib
import re
from typing import Any

import numpy as np

from refllm import quants
from refllm.convert.conversion import Conversion
from refllm.convert.quantize_file import Result, quantize
from refllm.errors import UsageError
from refllm.quants import mixes

MIB = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "refllm quantize [options] IN [OUT] TYPE [THREADS]"
    types = f"TYPE is one of {', '.join(mixes.MIXES)} or its number in llama.cpp"
    parser.add_argument("words", metavar="IN [OUT] TYPE [THREADS]", nargs="+", help=types)
    parser.add_argument("--imatrix", metavar="FILE", help="the importance of columns: a GGUF file or the older .dat")
    parser.add_argument("--pure", action="store_true", help="one type for all tensors, no mix")
    parser.add_argument("--leave-output-tensor", action="store_true", help="keep output.weight as it is")
    parser.add_argument("--output-tensor-type", metavar="TYPE", type=scheme_name, help="the type of output.weight")
    parser.add_argument("--token-embedding-type", metavar="TYPE", type=scheme_name, help="the type of the embeddings")
    parser.add_argument(
        "--tensor-type",
        metavar="PATTERN=TYPE",
        type=tensor_type,
        action="append",
        default=[],
        help="the type of tensors whose name contains this regular expression (may be given several times)",
    )
    parser.add_argument("--allow-requantize", action="store_true", help="also quantize what is quantized already")
    parser.add_argument("--keep-split", action="store_true", help="write as many shards as the input has")
    parser.add_argument(
        "--override-kv",
        metavar="KEY=TYPE:VALUE",
        type=key_value,
        action="append",
        default=[],
        help="set metadata; TYPE is int, float, bool or str (may be given several times)",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the sizes, write nothing")


def run(args: argparse.Namespace) -> None:
    source, out, mix, threads = positions(args.words)
    out = out or str(pathlib.Path(source).parent / f"ggml-model-{mix.name}.gguf")
    goal = "calculating the size of" if args.dry_run else f"quantizing to '{out}'"
    print(f"{goal}: '{source}' as {mix.name}")
    result = quantize(
        source,
        out,
        mix.name,
        args.imatrix,
        threads=threads,
        allow_requantize=args.allow_requantize,
        keep_split=args.keep_split,
        override=dict(args.override_kv),
        dry_run=args.dry_run,
        when_done=show,
        pure=args.pure,
        leave_output=args.leave_output_tensor,
        output=args.output_tensor_type,
        token_embedding=args.token_embedding_type,
        tensors=tuple(args.tensor_type),
    )
    if args.dry_run:
        for number, conversion in enumerate(result.conversions, 1):
            show(conversion, number, len(result.conversions))
    print(summary(result, args.dry_run))


def positions(words: list[str]) -> tuple[str, str | None, mixes.Mix, int | None]:
    """IN [OUT] TYPE [THREADS], where OUT is left out if the second word is a type."""
    at = 1 if len(words) > 1 and is_file_type(words[1]) else 2
    if len(words) <= at:
        raise UsageError(f"no type given; expected IN [OUT] TYPE, with one of {', '.join(mixes.MIXES)}")
    if len(words) > at + 2:
        raise UsageError(f"{words[at + 2]!r} is one word too many; expected IN [OUT] TYPE [THREADS]")
    threads = words[at + 1] if len(words) > at + 1 else None
    if threads is not None and not threads.isdecimal():
        raise UsageError(f"{threads!r} is no number of threads")
    return words[0], words[1] if at == 2 else None, file_type(words[at]), int(threads or 0) or None


def is_file_type(word: str) -> bool:
    try:
        return bool(mixes.get(word))
    except quants.QuantError:
        return False


def file_type(word: str) -> mixes.Mix:
    try:
        return mixes.get(word)
    except quants.QuantError as error:
        raise UsageError(str(error)) from error


def scheme_name(word: str) -> str:
    if word.upper() not in quants.SCHEMES or quants.get(word.upper()).id is None:
        raise argparse.ArgumentTypeError(f"unknown type {word!r}; expected a type of tensors, such as Q4_K or F16")
    return word.upper()


def tensor_type(text: str) -> tuple[str, str]:
    pattern, _, scheme = text.rpartition("=")
    if not pattern:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be read; expected PATTERN=TYPE")
    try:
        re.compile(pattern.lower())
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{pattern!r} is no regular expression: {error}") from None
    return pattern.lower(), scheme_name(scheme)


def key_value(text: str) -> tuple[str, Any]:
    """`KEY=int:3` and so on; the key is stored as uint32, float32, bool or string."""
    key, _, rest = text.partition("=")
    kind, _, value = rest.partition(":")
    readers = {
        "int": lambda value: np.uint32(int(value)),
        "float": lambda value: np.float32(value),
        "bool": lambda value: {"true": True, "false": False}[value],
        "str": str,
    }
    try:
        if not key:
            raise ValueError
        return key, readers[kind](value)
    except (KeyError, ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} cannot be read; expected KEY=int:3 (not negative), KEY=float:0.5, KEY=bool:true or KEY=str:text"
        ) from None


def show(conversion: Conversion, number: int, total: int) -> None:
    """One line per tensor, as llama-quantize prints it, and the error that was made."""
    from tqdm import tqdm

    extents = [*reversed(conversion.shape), 1, 1, 1, 1][:4]
    old, new = conversion.tensor.nbytes / MIB, conversion.nbytes / MIB
    line = f"[{number:4}/{total:4}] {conversion.name:<36} - [{', '.join(f'{extent:5}' for extent in extents)}], "
    line += f"type = {printed(conversion.tensor.type):>6}, "
    if conversion.is_copy:
        line += f"size = {old:8.3f} MiB"
    else:
        line += f"converting to {printed(conversion.scheme.name)} .. size = {old:8.2f} MiB -> {new:8.2f} MiB"
        line += f", rmse = {conversion.rmse:.6f}" if conversion.squared_error else ""
        line += f" (instead of {printed(conversion.instead_of)}: odd rows)" if conversion.instead_of else ""
    tqdm.write(line)  # above the progress bar, if there is one


def printed(scheme: str) -> str:
    """Q4_K as llama.cpp prints it: q4_K."""
    return scheme.lower().replace("_k", "_K")


def summary(result: Result, dry_run: bool) -> str:
    before, after = result.bytes_before, result.bytes_after
    lines = [
        f"model size  = {before / MIB:8.2f} MiB ({8 * before / max(1, result.weights):.2f} BPW)",
        f"quant size  = {after / MIB:8.2f} MiB ({result.bits_per_weight:.2f} BPW)",
    ]
    if not dry_run:
        lines.append(f"quant error = {result.rmse:.6f} (root of the mean squared error)")
    if fallen := sum(each.instead_of is not None for each in result.conversions):
        lines.append(f"{fallen} of {len(result.conversions)} tensors have rows too odd for their type and got another")
    if dry_run and result.without_importance:
        lines.append("to do it, an importance file is needed (--imatrix)")
    return "\n".join(lines)
