"""`python -m refllm` is the `refllm` command."""

import sys

from refllm.cli import main

sys.exit(main())
