"""Section 6's "L_I converges faster than the GAN objective", made measurable. No plotting, no torch.

The losses of a game need not converge, so sample quality (KID) stands for the GAN's objective. What is compared is the
iterations at which L_I and KID have made 80 % and 90 % of their total improvement. Both are read at the same probes and
interpolated over the logarithm of the iteration, so that neither has a finer clock. The total improvement is that from
the first probe to the last, so it depends on the length of the run. The same numbers for the run cut at a half and at
three quarters show how much.
"""

import math
from collections.abc import Sequence

import numpy as np

from bench.records.schema import Measured, Measures
from bench.spec.config import Definition
from bench.spec.vocabulary import CUTS, SHARES, improvement_name

_HALF_WINDOW = 5  # iterations on either side over which L_I is averaged at a probe, as in T80's centred mean


def iterations_to_share(iterations: Sequence[float], values: Sequence[float], share: float) -> float:
    """Iteration at which ``values`` have first made ``share`` of their way from the first to the last.

    Interpolated linearly over the logarithm of the iteration. NaN if the first equals the last.
    """
    x, way = np.log(np.asarray(iterations, float)), np.asarray(values, float)
    total = way[-1] - way[0]
    if len(way) < 2 or total == 0:
        return math.nan
    made = (way - way[0]) / total
    after = int(np.flatnonzero(made >= share)[0])
    step = (share - made[after - 1]) / (made[after] - made[after - 1])
    return float(np.exp(x[after - 1] + step * (x[after] - x[after - 1])))


def improvement(config: Definition, mi_T: np.ndarray | None, measures: Measures) -> dict[str, float]:
    """Iterations to shares of the improvement; empty unless the cell is trained on L_I and probed until its end. A cut
    by which L_I has not risen or KID has not fallen is left out. ``mi_T``: the categorical L_I per iteration, nats."""
    series = measures.get("trajectory", Measured()).series
    probed = [int(i) for i in series.get("iteration", [])]
    budget = config["training"]["iterations"]
    is_complete = len(probed) > 2 and probed[-1] == budget == (0 if mi_T is None else len(mi_T))
    if mi_T is None or not is_complete or not any(config["training"]["mi_weight_generator"]):
        return {}
    mi = [float(mi_T[max(0, i - 1 - _HALF_WINDOW) : i + _HALF_WINDOW].mean()) for i in probed]
    found: dict[str, float] = {}
    for cut, part in CUTS.items():
        kept = [k for k, i in enumerate(probed) if i <= round(part * budget)]
        times = {"mi": [mi[k] for k in kept], "kid": [-series["kid"][k] for k in kept]}
        at = [probed[k] for k in kept]
        if len(kept) < 3 or any(column[-1] <= column[0] for column in times.values()):
            continue
        for share in SHARES:
            t = {what: iterations_to_share(at, column, share) for what, column in times.items()}
            found |= {improvement_name(what, share, cut): value for what, value in t.items()}
            found[improvement_name("ratio", share, cut)] = t["mi"] / t["kid"]
    return found
