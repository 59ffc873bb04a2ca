"""``python -m bench``."""

import sys

if __name__ == "__main__":
    try:
        from bench.cli import main
    except ImportError as error:
        if (error.name or "").partition(".")[0] in ("bench", "infogan"):
            raise
        print(f"error: {sys.executable} lacks what pyproject.toml asks for: {error}", file=sys.stderr)
        sys.exit(2)
    main()
