"""One iteration as a CUDA graph: captured once, then replayed, which saves the launch overhead of some 500 kernels.

A replay runs the same kernels in the same order on the same random streams as the captured step. ``capture = "auto"``
falls back to eager launches if the capture fails, since this code has not been run on a GPU yet.
"""

import warnings

import torch
from torch import Tensor

from infogan.step import Players, Step

WARM_UP = 3  # eager iterations before capture, as PyTorch requires: they create Adam's state. They count.


class CapturedStep:
    """A step as a CUDA graph, with the signature of a step.

    The first ``WARM_UP`` calls run the step eagerly, the next one captures it. From then on every call copies its
    images into the graph's input and replays.

    It is bound to the tensors of its ``players``: make a new one after their optimisers' state was replaced. Every call
    needs images of the same shape. Raises ValueError without a GPU, or if Adam cannot be captured.
    """

    def __init__(self, step: Step, players: Players) -> None:
        if players.latents.device.type != "cuda":
            raise ValueError(f"capture='graph' needs device 'cuda', got {players.latents.device.type!r}")
        for optimizer in (players.optimizer_discriminator, players.optimizer_generator):
            if not optimizer.defaults["capturable"]:
                raise ValueError("capture='graph' needs step_kind='fused': its Adam counts steps on the device")
        self._step, self._players = step, players
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    @property
    def captures_next(self) -> bool:
        """Whether the next call captures the graph."""
        return self._graph is None and self._calls >= WARM_UP

    def __call__(self, players: Players, real_NCHW: Tensor) -> Tensor:
        """Run one iteration; return metrics (M,), which the next call overwrites."""
        if players is not self._players:
            raise ValueError("a captured step is bound to the players that it was made for")
        if self._graph is None and self._calls < WARM_UP:
            self._calls += 1
            return self._warm_up(real_NCHW)
        if self._graph is None:
            self._graph = self._capture(real_NCHW)
        self._real_NCHW.copy_(real_NCHW)
        self._graph.replay()
        return self._metrics_M

    def _warm_up(self, real_NCHW: Tensor) -> Tensor:
        """Run one eager iteration on a side stream, as PyTorch requires before a capture."""
        here, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            metrics_M = self._step(self._players, real_NCHW)
        here.wait_stream(aside)
        return metrics_M

    def _capture(self, real_NCHW: Tensor) -> torch.cuda.CUDAGraph:
        """Record the step without running it: weights, Adam's moments and the latents' stream do not change."""
        self._real_NCHW = real_NCHW.clone()
        for optimizer in (self._players.optimizer_discriminator, self._players.optimizer_generator):
            optimizer.zero_grad(set_to_none=True)  # so that the graph allocates the gradients from its own memory
        graph = torch.cuda.CUDAGraph()
        _register(graph, self._players.latents)
        with torch.cuda.graph(graph):
            self._metrics_M = self._step(self._players, self._real_NCHW)
        return graph


def _register(graph: torch.cuda.CUDAGraph, generator: torch.Generator) -> None:
    """Make replays advance ``generator``: torch 2.11 needs this call; 2.14 does it by itself and warns about it."""
    if hasattr(graph, "register_generator_state"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph.register_generator_state(generator)


class AutoStep:
    """A captured step that falls back to eager launches if the capture fails; ``note`` says why, else None.

    The iteration whose capture failed is repeated eagerly from the state before it.
    """

    def __init__(self, step: Step, players: Players) -> None:
        self._step, self._captured = step, CapturedStep(step, players)
        self.note: str | None = None

    def __call__(self, players: Players, real_NCHW: Tensor) -> Tensor:
        """Run one iteration; return metrics (M,), which the next call may overwrite."""
        if self.note is None and self._captured.captures_next:
            before = players.latents.get_state()
            try:
                return self._captured(players, real_NCHW)
            except RuntimeError as error:  # what CUDA and PyTorch raise; the weights are unchanged, since nothing ran
                players.latents.set_state(before)
                players.discriminator.requires_grad_(True)  # the failed step may have left it frozen
                self.note = f"no CUDA graph, each iteration launched anew: {' '.join(str(error).split())[:200]}"
        return self._step(players, real_NCHW) if self.note else self._captured(players, real_NCHW)
