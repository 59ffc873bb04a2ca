"""``python -m infogan.data.rendering``: contact sheets and factor sweeps."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from infogan.data.rendering import kinds, sheets

NUM_COLUMNS = {"sheet": 8, "sweep": 10}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infogan.data.rendering",
        description="Draw what a rendered set looks like: random samples, or each factor moved alone.",
        epilog="example: python -m infogan.data.rendering chairs --sheet chairs.png --sweep chairs-sweep.png --seed 4",
    )
    parser.add_argument("kind", choices=list(kinds.KINDS), help="kind of object")
    parser.add_argument("--sheet", type=Path, metavar="FILE.png", help="8 x 8 random samples")
    parser.add_argument(
        "--sweep",
        type=Path,
        metavar="FILE.png",
        help="one row per factor, moved over its range while all else is fixed; factors in the order they are listed",
    )
    parser.add_argument("--objects", type=_from(1), default=2, metavar="N", help="objects in a sweep (default: 2)")
    parser.add_argument("--seed", type=_from(0), default=0, help="other samples, other objects (default: 0)")
    parser.add_argument("--scale", type=_from(1), default=3, metavar="N", help="screen pixels per pixel (default: 3)")
    options = parser.parse_args(arguments)
    if not options.sheet and not options.sweep:
        parser.error("nothing to draw: give --sheet FILE.png or --sweep FILE.png")
    kind = kinds.kind_module(options.kind)
    pictures = {}
    if options.sheet:
        pictures["sheet"] = sheets.sample_images(kind, NUM_COLUMNS["sheet"] ** 2, options.seed)
    if options.sweep:
        seeds = range(options.seed, options.seed + options.objects)
        rows = [sheets.sweep_images(kind, NUM_COLUMNS["sweep"], seed) for seed in seeds]
        pictures["sweep"] = np.concatenate(rows)
    for name, images_NCHW in pictures.items():
        file = getattr(options, name)
        try:
            sheets.contact_sheet(images_NCHW, NUM_COLUMNS[name], options.scale).save(file, optimize=True)
        except (OSError, ValueError) as error:  # ValueError: a suffix that Pillow does not know
            print(f"cannot write {file}: {error}", file=sys.stderr)
            return 2
        print(f"{file}: {options.kind}, factors {', '.join(kind.FACTORS)}")
    return 0


def _from(least: int) -> Callable[[str], int]:
    """A type of option: a whole number that is at least ``least``."""

    def whole_number(text: str) -> int:  # argparse says this name where the text is none
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}")
        return value

    return whole_number


if __name__ == "__main__":
    sys.exit(main())
