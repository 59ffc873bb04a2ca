"""Draw the atlas of a finished cell from its weights, on the CPU: when it is measured, or later for a report.

Imports torch.
"""

import pickle
from dataclasses import replace

import numpy as np
from safetensors import SafetensorError

from bench.records.folder import CellFolder
from bench.records.storage import CorruptRecord
from infogan.api import latent_spec, network_settings
from infogan.atlas import draw_atlas
from infogan.networks import Generator
from infogan.own.networks import architecture_of
from infogan.weights import recorded


class AtlasError(ValueError):
    """The atlas of a cell cannot be drawn. The message is one line."""


def drawn_atlas(folder: CellFolder) -> dict[str, np.ndarray]:
    """Draw the atlas of a finished cell. Raises AtlasError, or OSError if the weights cannot be read."""
    try:
        cell = folder.cell()
        architecture, spec = architecture_of(cell.config), latent_spec(cell.config)
        settings = replace(network_settings(cell.config), kernels="torch", precision="float32")
        weights = recorded(folder.weights())
        generator = Generator(architecture, spec, settings)
        generator.load_state_dict(weights["generator"])
        return draw_atlas(generator, spec, cell.seed, signed=architecture.output == "tanh").to_arrays()
    except (
        *(CorruptRecord, FileNotFoundError, LookupError, TypeError, ValueError),
        *(AttributeError, RuntimeError, EOFError, pickle.UnpicklingError, SafetensorError),
    ) as error:
        message = " ".join(str(error).split())[:200]
        raise AtlasError(f"no atlas of the codes: {type(error).__name__}: {message}") from error
