"""The exercises of each lesson: `lesson_01.py` for notebook 01, `lesson_example.py` as the pattern to copy."""
