"""The local AWS: MiniStack in a process of its own, with what our stack needs and it lacks.

One module a gap (`gaps.py` lists them). Each has `install()`, which changes the emulator in this process, and `READ_AGAINST`: digests of
the emulator's source that the module was written against. `tests/integration/test_emulator_*.py` show each gap on the bare emulator and its
absence here, and fail when either changes: a gap that the emulator has closed is deleted here, not kept.
"""
