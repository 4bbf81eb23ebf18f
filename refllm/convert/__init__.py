"""From one file to another: whole models quantized, checkpoints and older formats turned into GGUF."""
