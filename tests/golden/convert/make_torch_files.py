"""Makes small files with torch.save, in both of its forms: `python tests/golden/convert/make_torch_files.py`.

Needs torch (2.13.0 made the committed ones). The values are small whole numbers and halves, so that every type holds
them; the tests know them.
"""

import collections
import pathlib

import torch

HERE = pathlib.Path(__file__).parent


def main() -> None:
    numbers = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 2
    state = collections.OrderedDict(
        float32=numbers,
        float16=numbers.half(),
        bfloat16=numbers.bfloat16(),
        float64=numbers.double(),
        int64=torch.arange(5),
        transposed=numbers.t(),
        part=numbers[1:3, 2:5],
        same=numbers,
        parameter=torch.nn.Parameter(numbers[0].clone()),
        scalar=torch.tensor(2.5),
        empty=torch.empty(0, 3),
        mask=torch.ones(3, dtype=torch.bool),
    )
    torch.save(state, HERE / "torch_zip.bin")
    torch.save({"epoch": 3, "model": state}, HERE / "torch_old.bin", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
