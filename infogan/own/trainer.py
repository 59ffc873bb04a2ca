"""The training loop with an optimiser or an iteration of one's own. The library's own cells never come here.

What one's own has to be:

- an optimiser: a class that is made as ``MyOptimizer(groups, **options)``, a ``torch.optim.Optimizer``. ``groups`` are
  dictionaries with ``params`` and ``lr``, of D and Q or of G; ``options`` are those of the file.
- a step: a function ``my_step(players, real_NCHW)`` of :class:`infogan.step.Players` and a batch of real images, scaled
  as D reads them. It does one whole iteration, both players' updates, and returns its metrics (M,), named by
  :func:`infogan.step.metric_names` and then by its attribute ``metrics``, if it has one (a tuple of names of its own).
- or a class of steps, made once before the training as ``MyStep(players, generator)``, whose object is called in that
  way. ``generator`` (on the CPU) is for the weights of networks of its own. They are trained by a group that it adds to
  one of the players' optimisers (``add_param_group``), and kept in checkpoints where the object has ``state_dict`` and
  ``load_state_dict``, as a ``torch.nn.Module`` has. It changes no other state: a cell must resume to the same bits.
"""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from infogan.own import OPTIMIZERS, OwnError
from infogan.step import STEPS, Players, Step, StepSettings
from infogan.training import Trainer, TrainingConfig

ADAM_LIKE = ("adam", "adamw", "adamax", "nadam", "radam")  # they take beta1, beta2 and adam_eps of the training
FUSED = ("adam", "adamw", "sgd")  # one kernel for all parameters, on a CPU and on a GPU
NOT_OPTIONS = ("params", "lr", "foreach", "fused", "capturable", "maximize", "differentiable")

MakeOptimizer = Callable[[list[dict[str, Any]]], torch.optim.Optimizer]


@dataclass(frozen=True)
class Parts:
    """What of a training is one's own; None: as the library has it."""

    make_optimizer: MakeOptimizer | None = None
    step: Any = None


class OwnTrainer(Trainer):
    """A trainer whose optimisers or iteration are the ``parts``. The step kind of its configuration is "fused"."""

    def __init__(self, config: TrainingConfig, images_NCHW: Tensor, seed: int, parts: Parts) -> None:
        self._parts = parts
        self._own_step: Any = None
        super().__init__(config, images_NCHW, seed)

    def _create_players(self) -> Players:
        players, optimizer = super()._create_players(), self._parts.make_optimizer
        if optimizer is not None:
            players.optimizer_generator = optimizer(_groups(players.optimizer_generator))  # type: ignore[assignment]
            players.optimizer_discriminator = optimizer(_groups(players.optimizer_discriminator))  # type: ignore[assignment]
        step: Any = self._parts.step
        if step is not None:
            make: Any = step if inspect.isclass(step) else None
            self._own_step = make(players, self._draws()) if make else step
            self.metric_names = (*self.metric_names, *getattr(step, "metrics", ()))
        return players

    def _draws(self) -> torch.Generator:
        """A stream of the cell's seed that nothing else draws from."""
        drawn = hashlib.sha256(f"{self.seed}/own step".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(drawn[:8], "big") >> 1)

    def _create_step(self) -> Step:
        if self._own_step is not None:
            return self._own_step
        optimizers = (self.players.optimizer_generator, self.players.optimizer_discriminator)
        if self.config.capture == "off" or all(o.defaults.get("capturable") for o in optimizers):
            return super()._create_step()
        if self.config.capture == "graph":
            raise ValueError("capture='graph' needs an optimiser that can be captured; choose 'auto' or 'off'")
        return STEPS[self.config.step_kind]

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on to the same bits."""
        own = self._own_step.state_dict() if hasattr(self._own_step, "state_dict") else None
        return super().state_dict() | ({} if own is None else {"own_step": own})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where ``state_dict`` was taken; the configuration must be the same."""
        super().load_state_dict(state)
        if "own_step" in state:
            self._own_step.load_state_dict(state["own_step"])


def add_term(optimizer: torch.optim.Optimizer, term: Callable[[], Tensor]) -> None:
    """Add a term to the loss that an optimiser minimises: ``term()`` is a scalar, and its gradients join the loss's.

    Called right before each of the optimiser's updates. For the generator's optimiser, D and Q are frozen then.
    """

    def add(*_: Any) -> None:
        term().backward()

    optimizer.register_step_pre_hook(add)


def torch_optimizer(name: str, options: Mapping[str, Any], settings: StepSettings, device: str) -> MakeOptimizer:
    """An optimiser of ``torch.optim`` by its name in lower case. Raises OwnError for an unknown name or option.

    Those like Adam take beta1, beta2 and adam_eps of the settings; for all else torch's defaults stand.
    """
    if name not in OPTIMIZERS:
        raise OwnError(f"optimizer {name}: choose from {', '.join(OPTIMIZERS)}, or name your own as module:name")
    cls = next(c for n, c in vars(torch.optim).items() if n.lower() == name and inspect.isclass(c))
    known = list(inspect.signature(cls).parameters)
    given: dict[str, Any] = {}
    if name in ADAM_LIKE:
        given = {"betas": (settings.beta1, settings.beta2), "eps": settings.adam_eps}
    choices = [option for option in known if option not in (*NOT_OPTIONS, *given)]
    for option in options:
        if option not in choices:
            raise OwnError(f"optimizer {name}: unknown option {option!r}; choose from {', '.join(choices)}")
    fast = {"foreach": False, "fused": name in FUSED, "capturable": device == "cuda"}
    given |= {key: value for key, value in fast.items() if key in known}
    return _maker(name, cls, given | dict(options))


def own_optimizer(name: str, cls: Any, options: Mapping[str, Any]) -> MakeOptimizer:
    """An optimiser of one's own. Raises OwnError for what is no class or function."""
    if not callable(cls):
        raise OwnError(f"{name}: an optimiser is made as {name}(groups, **options), and this is {type(cls).__name__}")
    return _maker(name, cls, options)


def _maker(name: str, cls: Any, options: Mapping[str, Any]) -> MakeOptimizer:
    def make(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        try:
            optimizer = cls(groups, **{key: tuple(v) if isinstance(v, list) else v for key, v in options.items()})
        except (TypeError, ValueError) as error:
            raise OwnError(f"optimizer {name}: cannot be made of {dict(options)}: {error}") from error
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise OwnError(f"optimizer {name}: made {type(optimizer).__name__}, which is no torch.optim.Optimizer")
        return optimizer

    return make


def _groups(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Parameters and rates of an optimiser's groups, for another one."""
    return [{"params": group["params"], "lr": group["lr"]} for group in optimizer.param_groups]
