"""Entry point of ``python -m bench`` and of the command ``infogan-bench`` of an installed package."""

import sys


def run() -> None:
    """Run :func:`bench.cli.main`, or print one line if a package is missing. Ctrl-C ends it without a traceback."""
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(130)  # as typer does, once all is imported


def _run() -> None:
    try:
        from bench.cli import main
    except ImportError as error:
        if (error.name or "").partition(".")[0] in ("bench", "infogan"):
            raise
        print(f"error: {sys.executable} lacks a package that pyproject.toml requires: {error}", file=sys.stderr)
        sys.exit(2)
    main()


if __name__ == "__main__":
    run()
