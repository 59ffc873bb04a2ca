"""The kinds of objects that can be rendered, and the digest of everything that decides their pixels."""

import hashlib
import json
from importlib import import_module
from typing import Any

from infogan.data.base import DataError
from infogan.version import code_digest

KINDS: dict[str, str] = {
    "faces": "infogan.data.rendering.heads",
    "chairs": "infogan.data.rendering.chairs",
    "portraits": "infogan.data.rendering.portraits",
    "house-numbers": "infogan.data.rendering.house_numbers",
}
SEED = 0
FIRST_HELD_OUT = 1 << 31  # index of the first held-out image, above any training image


def kind_module(kind: str) -> Any:
    """The module of a kind; see :class:`infogan.data.rendering.Kind`."""
    if kind not in KINDS:
        raise DataError(f"unknown kind of rendering {kind!r}, choose from {', '.join(KINDS)}")
    return import_module(KINDS[kind])


def recipe(kind: str) -> str:
    """Digest of everything that decides image k, whatever the size of the set; all sizes share one folder of chunks."""
    module = kind_module(kind)
    code = code_digest(tuple(f"data/rendering/{name}" for name in module.CODE))
    parts = [kind, SEED, FIRST_HELD_OUT, module.FACTORS, dict(module.RANGES), module.SHAPE_CHW, code]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
