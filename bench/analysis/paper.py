"""Numbers that the paper printed: Figure 1 digitised by hand, to about 0.03 nats. One run each."""

from typing import NamedTuple


class PaperCurve(NamedTuple):
    """L_I in nats at some iterations of one curve of Figure 1."""

    label: str
    iterations: tuple[int, ...]
    mi_nats: tuple[float, ...]

    def at(self, iteration: int) -> float:
        return self.mi_nats[self.iterations.index(iteration)]


_ITERATIONS = (10, 20, 30, 50, 100, 140, 200, 300, 500, 700, 900)
FIGURE1_INFOGAN = PaperCurve(
    "InfoGAN, the paper's Figure 1", _ITERATIONS, (1.05, 1.79, 2.07, 2.17, 2.25, 2.21, 2.18, 2.21, 2.28, 2.25, 2.23)
)
FIGURE1_GAN = PaperCurve(
    "GAN + Q, the paper's Figure 1", _ITERATIONS, (0.08, 0.13, 0.19, 0.29, 0.53, 0.53, 0.14, 0.05, 0.06, 0.07, 0.06)
)
FIGURE1_T80 = 21  # where InfoGAN's crosses 0.8 H(c), between two of its points
FIGURE1_HUMP_NATS, FIGURE1_HUMP_ITERATION = 0.55, 120  # the baseline's peak, between two of its points
FIGURE1_ITERATIONS = (20, 30, 50, 100, 200, 300)  # where our curve is held against the paper's
FIGURE1_CODES = [{"kind": "categorical", "num_categories": 10}]
