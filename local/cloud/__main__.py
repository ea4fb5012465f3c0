"""Serve the local AWS until told to stop: `python -m local.cloud`, started by `local.stack` with its settings in the environment.

Standard input is the lifeline: it ends when whoever started this process is gone, however he went, and then everything here ends too.
With `--temporary FOLDER`, that folder goes as well.
"""

import os
import shutil
import signal
import sys
import threading

_ARGUMENTS = tuple(sys.argv[1:])


def main() -> None:
    threading.Thread(target=_end_with_the_starter, name="lifeline", daemon=True).start()
    from ministack import app

    if "--bare" not in _ARGUMENTS:
        from local.cloud import gaps

        gaps.install()
    sys.argv = sys.argv[:1]  # the emulator reads them too
    app.main()


def _end_with_the_starter() -> None:
    while os.read(sys.stdin.fileno(), 1024):  # not sys.stdin.read: its lock would stand in the way of an ordinary exit
        pass
    if "--temporary" in _ARGUMENTS:
        shutil.rmtree(_ARGUMENTS[_ARGUMENTS.index("--temporary") + 1], ignore_errors=True)
    os.killpg(os.getpgid(0), signal.SIGKILL)  # functions run in the same group


if __name__ == "__main__":
    main()
