"""What is written is what is read, whatever it is: by refllm, and between refllm and the `gguf` package."""

import struct

import gguf as peer
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refllm import gguf, quants
from tests.gguf import craft

INTEGERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
NUMBER_TYPES = [*sorted(INTEGERS), "float32", "float64"]
PLAIN_TENSORS = ["float32", "float16", "float64", "int8", "int16", "int32", "int64"]
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

orders = st.sampled_from("<>")
versions = st.sampled_from([2, 3])
alignments = st.sampled_from([None, 1, 8, 32, 64, 4096])
texts = st.text(max_size=20) | st.sampled_from(["词元表", "𠀀🦙", "a\0b", "é\u0301", " ", ""])
any_texts = texts | st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


def numbers(kind: str):
    if kind.startswith("float"):
        return st.floats(width=int(kind[5:]))
    return st.integers(np.iinfo(kind).min, np.iinfo(kind).max)


def values(some_texts):
    """A type and a value of this type: a number, a text, or an array of either, which may be empty."""
    scalars = {kind: numbers(kind) for kind in NUMBER_TYPES} | {"bool": st.booleans(), "string": some_texts}

    def array(kind: str):
        return st.lists(scalars[kind], max_size=8).map(
            lambda items: (f"{kind}[]", items if kind == "string" else np.array(items, kind))
        )

    one = [st.tuples(st.just(kind), strategy) for kind, strategy in scalars.items()]
    return st.one_of(*one, *map(array, scalars))


def metadatas(some_texts):
    keys = some_texts.filter(lambda key: key and not key.startswith(("GGUF.", "split.")) and key != "general.alignment")
    return st.dictionaries(keys, values(some_texts), max_size=6).map(
        lambda typed: gguf.Metadata(
            {key: value for key, (_, value) in typed.items()}, {key: kind for key, (kind, _) in typed.items()}
        )
    )


@st.composite
def arrays(draw, fewest: int = 0):
    """Numbers of some type in up to four dimensions, any of which may be 0, in any bit pattern."""
    dtype = np.dtype(draw(st.sampled_from(PLAIN_TENSORS)))
    shape = tuple(draw(st.integers(0, 4)) for _ in range(draw(st.integers(fewest, 4))))
    return np.frombuffer(draw(st.randoms()).randbytes(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape)


@st.composite
def blocks(draw):
    """A quantized tensor of random bytes."""
    scheme = quants.get(draw(st.sampled_from(["Q4_0", "Q8_0", "Q4_K", "Q6_K"])))
    shape = draw(st.sampled_from([(1,), (3,), (2, 2), (2, 0), (0, 3), (2, 1, 3)]))
    raw = draw(st.randoms()).randbytes(int(np.prod(shape)) * scheme.block_bytes)
    return np.frombuffer(raw, scheme.dtype).reshape(shape), scheme.name


def names(some_texts):
    return some_texts.filter(lambda name: len(name.encode("utf-8", "surrogateescape")) <= 63)


def alike(one, other) -> bool:
    """Equal to the last bit, and of the same type."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, float):
        return isinstance(other, float) and struct.pack("d", one) == struct.pack("d", other)
    return type(one) is type(other) and one == other


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("roundtrip") / "made.gguf"


def written(path, metadata, tensors, alignment, **options) -> gguf.Metadata:
    """Write the file; the metadata as it should be read again."""
    if alignment is not None:
        metadata |= gguf.Metadata({"general.alignment": alignment}, {"general.alignment": "uint32"})
    gguf.write(path, metadata, tensors, **options)
    return metadata


@QUICK
@given(
    metadatas(any_texts),
    st.dictionaries(names(any_texts), arrays() | blocks(), max_size=4),
    alignments,
    orders,
    versions,
)
def test_write_then_read(path, metadata, tensors, alignment, order, version):
    metadata = written(path, metadata, tensors, alignment, version=version, byte_order=order)
    with gguf.open(path) as file:
        assert (file.version, file.byte_order, file.alignment) == (version, order, alignment or 32)
        assert list(file.metadata) == list(metadata)
        assert file.metadata.types == metadata.types
        assert all(alike(file.metadata[key], value) for key, value in metadata.items())
        assert list(file.tensors) == list(tensors)
        for name, given_tensor in tensors.items():
            array = given_tensor[0] if isinstance(given_tensor, tuple) else given_tensor
            assert alike(file.tensors[name].data.astype(array.dtype), array)
            assert (file.tensors[name].offset - file.data_offset) % file.alignment == 0
        again = path.with_name("again.gguf")
        gguf.write(again, file.metadata, file.tensors, version=version, byte_order=order)
    assert again.read_bytes() == path.read_bytes()


@QUICK
@given(metadatas(any_texts), st.dictionaries(names(any_texts), arrays() | blocks(), max_size=3), alignments, orders)
def test_the_map_covers_every_byte_once(path, metadata, tensors, alignment, order):
    written(path, metadata, tensors, alignment, byte_order=order)
    for each_item in (False, True):
        position = 0
        for region in gguf.regions(path, each_item=each_item):
            assert region.offset == position
            assert region.size > 0
            position += region.size
        assert position == path.stat().st_size


@QUICK
@given(
    metadatas(texts),
    st.dictionaries(names(texts), arrays(fewest=1) | blocks(), max_size=4),
    alignments,
    orders,
)
def test_the_gguf_package_reads_what_is_written(path, metadata, tensors, alignment, order):
    metadata = written(path, metadata, tensors, alignment, byte_order=order)
    reader = peer.GGUFReader(path)
    fields = {key: field for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    assert list(fields) == list(metadata)
    for key, value in metadata.items():
        kinds = [kind.name.lower() for kind in fields[key].types]
        stored = metadata.types[key]
        if not stored.endswith("[]"):
            assert kinds == [stored]
            assert alike(np.asarray(fields[key].contents(), plain(stored)), np.asarray(value, plain(stored)))
        elif len(value):
            assert kinds == ["array", stored[:-2]]
            assert alike(np.asarray(fields[key].contents(), plain(stored)), np.asarray(value, plain(stored)))
    assert [tensor.name for tensor in reader.tensors] == list(tensors)
    for tensor in reader.tensors:
        array, scheme = (
            tensors[tensor.name] if isinstance(tensors[tensor.name], tuple) else (tensors[tensor.name], None)
        )
        assert tensor.tensor_type.name == (scheme or f"{array.dtype.kind.upper()}{8 * array.dtype.itemsize}")
        assert int(tensor.n_elements) == array.size * (quants.get(scheme).block_size if scheme else 1)
        if order == "<" or not scheme:  # it does not know which bytes of a block to swap
            stored = np.ascontiguousarray(tensor.data)
            assert stored.astype(stored.dtype.newbyteorder("=")).tobytes() == array.tobytes()


def plain(stored: str) -> str:
    """The numpy dtype in which values of a stored type are compared."""
    kind = stored.removesuffix("[]")
    return "U" if kind == "string" else kind


@QUICK
@given(metadatas(texts), st.dictionaries(names(texts), arrays(fewest=1), max_size=4), alignments, orders)
def test_what_the_gguf_package_writes_is_read(path, metadata, tensors, alignment, order):
    writer = peer.GGUFWriter(path, "demo", endianess=peer.GGUFEndian.BIG if order == ">" else peer.GGUFEndian.LITTLE)
    if alignment is not None:
        writer.add_custom_alignment(alignment)
    for key, value in metadata.items():
        kind = metadata.types[key]
        if not kind.endswith("[]"):
            writer.add_key_value(key, value, peer.GGUFValueType[kind.upper()])
        elif len(value):  # it cannot write empty arrays
            items = value if isinstance(value, list) else value.tolist()
            writer.add_key_value(key, items, peer.GGUFValueType.ARRAY, peer.GGUFValueType[kind[:-2].upper()])
    for name, array in tensors.items():
        writer.add_tensor(name, array.copy())  # a copy, for it swaps the bytes of what it is given
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with gguf.open(path) as file:
        assert (file.byte_order, file.alignment) == (order, alignment or 32)
        for key, value in metadata.items():
            if key == "general.architecture" or (metadata.types[key].endswith("[]") and not len(value)):
                continue
            assert file.metadata.types[key] == metadata.types[key]
            assert alike(file.metadata[key], value)
        assert list(file.tensors) == list(tensors)
        assert all(alike(file.tensors[name].data.astype(array.dtype), array) for name, array in tensors.items())


@pytest.mark.parametrize("order", "<>")
def test_arrays_in_any_memory_layout(path, order):
    numbers = np.arange(120, dtype=np.float32).reshape(4, 5, 6)
    layouts = {
        "plain": numbers,
        "transposed": np.asfortranarray(numbers),
        "strided": np.repeat(numbers, 2, axis=1)[:, ::2],
        "backwards": numbers[::-1, :, ::-1][::-1, :, ::-1],
        "swapped": numbers.astype(">f4"),
    }
    gguf.write(path, {}, layouts, byte_order=order)
    with gguf.open(path) as file:
        for tensor in file.tensors.values():
            assert alike(tensor.data.astype(np.float32), numbers), tensor.name


@pytest.mark.parametrize(
    ("metadata", "tensors", "named"),
    [
        ({"": 1}, {}, "key"),
        ({"a": None}, {}, "'a'"),
        ({"a": {}}, {}, "'a'"),
        ({"a": [1, "x"]}, {}, "'a'"),
        ({"a": [[1], [2]]}, {}, "'a'"),
        ({"a": np.zeros((2, 2))}, {}, "'a'"),
        ({"a": np.zeros(2, complex)}, {}, "'a'"),
        ({"a": 2**64}, {}, "'a'"),
        ({"a": -(2**63) - 1}, {}, "'a'"),
        ({"a": 1e39}, {}, "'a'"),
        ({"a": "\ud800"}, {}, "'a'"),
        ({"a": b"bytes"}, {}, "'a'"),
        ({"general.alignment": 48}, {}, "alignment"),
        ({"general.alignment": 0}, {}, "alignment"),
        ({}, {"w" * 64: np.zeros(1, np.float32)}, "63"),
        ({}, {"w": np.zeros((1, 1, 1, 1, 1), np.float32)}, "5 dimensions"),
        ({}, {"w": np.zeros(3, np.uint8)}, "uint8"),
        ({}, {"w": np.zeros(3, np.complex64)}, "complex"),
        ({}, {"w": (np.zeros(3, np.uint8), "Q8_0")}, "Q8_0"),
    ],
)
def test_what_no_file_can_hold(tmp_path, metadata, tensors, named):
    with pytest.raises(gguf.GGUFError, match=named):
        gguf.write(tmp_path / "made.gguf", metadata, tensors)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("changed", [{"version": 1}, {"version": 4}, {"byte_order": "="}])
def test_formats_that_do_not_exist(tmp_path, changed):
    with pytest.raises(gguf.GGUFError):
        gguf.write(tmp_path / "made.gguf", {}, {}, **changed)


def test_a_signalling_nan_becomes_quiet(path):
    """The one bit that a Python float does not keep, said here because all else is kept."""
    loud = struct.pack("<I", 0x7FA00000)
    path.write_bytes(
        craft.gguf([craft.pair("a", craft.F32, loud), craft.pair("b", craft.ARRAY, craft.array(craft.F32, [loud]))])
    )
    with gguf.open(path) as file:
        gguf.write(path.with_name("again.gguf"), file.metadata, {})
    again = path.with_name("again.gguf").read_bytes()
    assert again == path.read_bytes().replace(loud, struct.pack("<I", 0x7FE00000), 1)
