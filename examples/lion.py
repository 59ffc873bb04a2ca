"""Lion (Chen et al. 2023, arXiv 2302.06675, algorithm 2): the sign of a momentum is the step."""

from typing import Any

import torch


class Lion(torch.optim.Optimizer):
    """Made as every optimiser of one's own: groups with ``params`` and ``lr``, then the options of the file."""

    def __init__(self, groups: list[dict[str, Any]], beta1: float = 0.9, beta2: float = 0.99) -> None:
        super().__init__(groups, {"beta1": beta1, "beta2": beta2})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                momentum = state.setdefault("momentum", torch.zeros_like(parameter))
                direction = momentum.lerp(parameter.grad, 1 - group["beta1"]).sign_()
                parameter.add_(direction, alpha=-group["lr"])
                momentum.lerp_(parameter.grad, 1 - group["beta2"])
