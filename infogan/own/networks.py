"""Custom networks as plain data, so that a record holds their tables and reading it imports no user code."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from infogan.architectures import ARCHITECTURES, Architecture, Layer, Networks
from infogan.own import OwnError

MAX_LAYERS, MAX_WIDTH, MAX_SIDE = 64, 65_536, 1024
KINDS, OUTPUTS = ("conv", "upconv", "linear"), ("sigmoid", "tanh")
STACKS = ("trunk", "q_hidden", "generator")


def architecture_of(config: Mapping[str, Any]) -> Architecture:
    """Architecture of a cell's configuration or a card: the paper's by name, or the custom table stored in it.

    Raises KeyError for an unknown name without a table, OwnError for an invalid table.
    """
    own = config.get("own", {})
    entry = own.get("architecture") if isinstance(own, Mapping) else own
    if entry is None:
        return ARCHITECTURES[config["architecture"]]
    return from_table(entry.get("table") if isinstance(entry, Mapping) else entry)


def make_known(config: Mapping[str, Any]) -> None:
    """Register a configuration's custom networks in this process under their name."""
    ARCHITECTURES[config["architecture"]] = architecture_of(config)


def to_table(architecture: Architecture) -> dict[str, Any]:
    """Convert to a JSON-compatible table, which :func:`from_table` reads."""
    table = asdict(architecture)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in table.items()}


def from_table(table: Any) -> Architecture:
    """Read a table. Raises OwnError if it is not an architecture or its layers do not fit together."""
    try:
        layers = {name: tuple(Layer(**layer) for layer in table[name]) for name in STACKS}
        found = Architecture(image_CHW=tuple(table["image_CHW"]), output=table["output"], **layers)
    except (TypeError, KeyError) as error:
        raise OwnError(f"not a table of networks: {type(error).__name__}: {error}") from error
    check(found)
    return found


def check(architecture: Architecture) -> None:
    """Raise OwnError if a layer cannot be built or the layers do not lead to the right sizes."""
    for stack in STACKS:
        layers = getattr(architecture, stack)
        _require(isinstance(layers, tuple) and len(layers) <= MAX_LAYERS, f"{stack} must be a tuple of layers")
        for number, layer in enumerate(layers):
            _check_layer(f"{stack}[{number}]", layer)
    _require(bool(architecture.trunk and architecture.generator), "trunk and generator need at least one layer")
    _require(architecture.output in OUTPUTS, f"output must be one of {', '.join(OUTPUTS)}, got {architecture.output!r}")
    shape = architecture.image_CHW
    fits = isinstance(shape, tuple) and len(shape) == 3 and all(_is_whole(v, 1, MAX_SIDE) for v in shape)
    _require(fits and shape[1] == shape[2], f"image_CHW must be (channels, side, side), got {shape!r}")
    _require(all(layer.kind == "linear" for layer in architecture.q_hidden), "q_hidden takes linear layers only")
    _require(all(layer.kind != "upconv" for layer in architecture.trunk), "trunk cannot have an upconv")
    _require(all(layer.kind != "conv" for layer in architecture.generator), "generator cannot have a conv")
    networks, side = Networks.of(architecture, 1, 1.0), shape[1]
    made = networks.generator[-1].out_side
    _require(made == side, f"the generator makes images of side {made}, but image_CHW says {side}")
    sides = [(stack, placed.in_side) for stack in ("trunk", "generator") for placed in getattr(networks, stack)]
    _require(all(s >= 1 for _, s in sides), "trunk: too many convolutions of stride 2 for such a small image")
    odd = [p.in_side for p in networks.trunk if p.layer.kind == "conv" and p.layer.stride == 2 and p.in_side % 2]
    _require(not odd, f"trunk: a convolution of stride 2 needs an even side, got {odd[:1]}")


def _check_layer(where: str, layer: Any) -> None:
    _require(isinstance(layer, Layer), f"{where} must be an infogan.architectures.Layer, got {type(layer).__name__}")
    _require(layer.kind in KINDS, f"{where}: kind must be one of {', '.join(KINDS)}, got {layer.kind!r}")
    _require(_is_whole(layer.width, 1, MAX_WIDTH), f"{where}: width must be 1 to {MAX_WIDTH}, got {layer.width!r}")
    _require(_is_whole(layer.stride, 1, 2), f"{where}: stride must be 1 or 2, got {layer.stride!r}")
    _require(
        _is_whole(layer.spatial, 1, MAX_SIDE),
        f"{where}: spatial must be a side of 1 to {MAX_SIDE}, got {layer.spatial!r}",
    )
    _require(isinstance(layer.batch_norm, bool), f"{where}: batch_norm must be true or false")


def _is_whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise OwnError(message)
