"""The `imagesig` command, and `python -m imagesig`."""

from __future__ import annotations

import gc


def main() -> None:
    """Runs the command and ends the process with its exit status."""
    # speed: nothing that is loaded becomes garbage; `imagesig.cli.main` enables it again (benchmarks/test_cli.py)
    gc.disable()
    from imagesig.cli.late_inspect import load_inspect_late

    load_inspect_late()
    from imagesig.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
