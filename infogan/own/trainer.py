"""The training loop with a custom optimiser or step. Cells without custom parts do not use this module.

The interfaces:

- Optimiser: a subclass of ``torch.optim.Optimizer``, called as ``MyOptimizer(groups, **options)``. ``groups`` are
  dictionaries with ``params`` and ``lr``, for D and Q or for G; ``options`` come from the experiments file.
- Step: a function ``my_step(players, real_NCHW)`` of :class:`infogan.step.Players` and a batch of real images, scaled
  as D reads them. It performs one whole iteration, with the updates of both players, and returns metrics (M,), named by
  :func:`infogan.step.metric_names` followed by its attribute ``metrics``, if any (a tuple of additional names, such as
  "loss/mine").
- Step class: instantiated once before training as ``MyStep(players, generator)``; the object is called like a step.
  ``generator`` (on the CPU) initialises networks of its own. To train them, it adds a parameter group to one of the
  players' optimisers (``add_param_group``). Checkpoints include them if the object has ``state_dict`` and
  ``load_state_dict``, like a ``torch.nn.Module``. It must change no other state: a cell must resume to the same bits.
- Random numbers of an iteration come from ``players.sample`` or ``players.latents``: torch's global stream is the same
  for every seed and is in no checkpoint.
"""

import hashlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from infogan.own import OPTIMIZERS, OwnError
from infogan.step import STEPS, Players, Step, StepSettings
from infogan.training import Trainer, TrainingConfig

ADAM_LIKE = ("adam", "adamw", "adamax", "nadam", "radam")  # these take beta1, beta2 and adam_eps from the step settings
FUSED = ("adam", "adamw", "sgd")  # these have a fused implementation for CPU and GPU
NOT_OPTIONS = ("params", "lr", "foreach", "fused", "capturable", "maximize", "differentiable")

OURS = ("explained", "measure", "mi", "summary", "time")  # curves under these mean something to the harness
CURVE = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)  # what MLflow accepts

MakeOptimizer = Callable[[list[dict[str, Any]]], torch.optim.Optimizer]


@dataclass(frozen=True)
class Parts:
    """The custom parts of a training; None: the library's."""

    make_optimizer: MakeOptimizer | None = None
    step: Any = None


class OwnTrainer(Trainer):
    """A trainer with custom ``parts``. The step kind of its configuration is "fused"."""

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
            self.metric_names = (*self.metric_names, *_curves(self._own_step, self.metric_names))
        return players

    def _draws(self) -> torch.Generator:
        """Random stream for the custom step, derived from the cell's seed and used by nothing else."""
        drawn = hashlib.sha256(f"{self.seed}/own step".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(drawn[:8], "big") >> 1)

    def _counted(self, players: Players, real_NCHW: Tensor) -> Tensor:
        """The custom step. Raises OwnError if it returns another number of metrics than it names."""
        metrics_M, names = self._own_step(players, real_NCHW), self.metric_names
        shape = tuple(getattr(metrics_M, "shape", ()))
        if shape != (len(names),):
            raise OwnError(f"a step must return {len(names)} metrics ({', '.join(names)}), got shape {shape}")
        return metrics_M

    def _create_step(self) -> Step:
        if self._own_step is not None:
            return self._counted
        optimizers = (self.players.optimizer_generator, self.players.optimizer_discriminator)
        if self.config.capture == "off" or all(o.defaults.get("capturable") for o in optimizers):
            return super()._create_step()
        if self.config.capture == "graph":
            raise ValueError("capture='graph' needs an optimiser that can be captured; choose 'auto' or 'off'")
        return STEPS[self.config.step_kind]

    def state_dict(self) -> dict[str, Any]:
        """Everything that a bit-exact resume needs."""
        own = self._own_step.state_dict() if hasattr(self._own_step, "state_dict") else None
        return super().state_dict() | ({} if own is None else {"own_step": own})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of ``state_dict``; the configuration must be the same."""
        super().load_state_dict(state)
        if "own_step" in state:
            self._own_step.load_state_dict(state["own_step"])


def add_term(optimizer: torch.optim.Optimizer, term: Callable[[], Tensor]) -> None:
    """Add a loss term to an optimiser: ``term()`` returns a scalar whose gradients are added before each update.

    For the generator's optimiser, D and Q are frozen at that time.
    """

    def add(*_: Any) -> None:
        term().backward()

    optimizer.register_step_pre_hook(add)


def torch_optimizer(name: str, options: Mapping[str, Any], settings: StepSettings, device: str) -> MakeOptimizer:
    """A factory for an optimiser of ``torch.optim``, by lower-case name. Raises OwnError for an unknown name or option.

    Adam-like ones take beta1, beta2 and adam_eps from the settings; everything else has torch's defaults.
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
    """A factory for a custom optimiser. Raises OwnError if ``cls`` is not callable, or for ``lr``: groups have it."""
    if not callable(cls):
        raise OwnError(f"{name}: an optimiser must be callable as {name}(groups, **options), got {type(cls).__name__}")
    if "lr" in options:
        raise OwnError(f"optimizer {name}: lr would have no effect; set learning_rate_generator and the others")
    return _maker(name, cls, options)


def _maker(name: str, cls: Any, options: Mapping[str, Any]) -> MakeOptimizer:
    def make(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        try:
            optimizer = cls(groups, **{key: tuple(v) if isinstance(v, list) else v for key, v in options.items()})
        except (TypeError, ValueError) as error:
            raise OwnError(f"optimizer {name}: cannot be created with {dict(options)}: {error}") from error
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise OwnError(
                f"optimizer {name}: returned {type(optimizer).__name__}, which is not a torch.optim.Optimizer"
            )
        return optimizer

    return make


def _curves(step: Any, taken: tuple[str, ...]) -> tuple[str, ...]:
    """Names of a step's additional metrics. Raises OwnError if one cannot be a curve of its own."""
    names = getattr(step, "metrics", ())
    sound = isinstance(names, tuple | list) and all(isinstance(name, str) and CURVE.fullmatch(name) for name in names)
    if not sound or len({*taken, *names}) < len(taken) + len(names) or {name.split("/")[0] for name in names} & {*OURS}:
        raise OwnError(
            "a step's metrics must be a tuple of names such as 'loss/mine', of letters, digits and _.-/, none of them "
            f"twice, ours ({', '.join(taken)}) or under {', '.join(OURS)}; got {names!r}"
        )
    return tuple(names)


def _groups(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Parameters and learning rates of an optimiser's groups, for another optimiser."""
    return [{"params": group["params"], "lr": group["lr"]} for group in optimizer.param_groups]
