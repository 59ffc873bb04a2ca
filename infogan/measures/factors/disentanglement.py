"""MIG, SAP, DCI and the FactorVAE score of a representation against known factors.

For InfoGAN the representation is Q on real images: the mean of a continuous code and, since categories have no order,
all probabilities of a categorical one as one block, whose state is the most likely category. Values are not comparable
with other codebases: bins, regressors and representations differ (see docs/MEASURES.md). Instead, each score comes with
a bias row (shuffled factors) and a ceiling row (the factor readers' outputs).
Shape suffixes: N images, M columns of a code, L codes, F factors.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.stats import binomtest, entropy
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import mutual_info_score
from torch import Tensor

from infogan.batch_norm import frozen
from infogan.codes import Categorical, LatentSpec
from infogan.measures.factors.kinds import Factor
from infogan.measures.factors.readers import explained
from infogan.measures.images import BATCH
from infogan.networks import Discriminator

NUM_BINS = 10  # equally filled, for continuous codes and factors
MIN_ROWS = 40
# max_features: every split considers all codes. By default a classifier considers the square root of their number, and
# if the code of a factor is not among them, trees split on uninformative codes, which then seem important.
FOREST: dict[str, Any] = {"n_estimators": 20, "max_depth": 8, "min_samples_leaf": 4, "max_features": None}
COLLAPSED = 1e-8  # variance below which a code is constant

FactorValues = Sequence[tuple[Factor, np.ndarray]]  # factors with their true values (N,)


@dataclass(frozen=True)
class CodeOutput:
    """One code of a representation: columns for regressions, and one state per image for mutual information."""

    columns_NM: np.ndarray
    states_N: np.ndarray


@dataclass(frozen=True)
class Scores:
    """Scores of a representation; None if a score is not defined, with the reason by name."""

    mig: float | None = None  # mutual information gap (Chen et al. 2018)
    sap: float | None = None  # separated attribute predictability (Kumar et al. 2018), with held-out R^2
    dci_disentanglement: float | None = None  # Eastwood and Williams 2018, random forests
    dci_completeness: float | None = None
    dci_informativeness: float | None = None  # mean R^2 or, for discrete factors, gain over the most frequent value
    factor_vae: float | None = None  # Kim and Mnih 2018; set from :func:`factor_vae`, which needs other images
    factor_vae_low: float | None = None  # 95 % Wilson interval over the scored votes
    factor_vae_high: float | None = None
    reasons: dict[str, str] = field(default_factory=dict)

    def numbers(self) -> dict[str, float]:
        return {name: v for name, v in asdict(self).items() if name != "reasons" and v is not None}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


_HERE = ("mig", "sap", "dci_disentanglement", "dci_completeness", "dci_informativeness")  # set by :func:`scores`


@dataclass(frozen=True)
class Votes:
    """Share of correct votes, with its 95 % Wilson interval."""

    score: float
    low: float
    high: float


@torch.no_grad()
def q_codes(discriminator: Discriminator, spec: LatentSpec, images_NCHW: Tensor) -> tuple[CodeOutput, ...]:
    """Q's representation of images scaled as in training, with the frozen statistics of its last calibration."""
    with frozen(discriminator):
        outputs_NP = torch.cat([discriminator.q_of(batch) for batch in images_NCHW.split(BATCH)])
    codes = []
    for code, block in zip(spec.codes, spec.split(outputs_NP), strict=True):
        if isinstance(code, Categorical):
            codes.append(probability_code(block.double().softmax(dim=1).cpu().numpy()))
        else:
            codes.append(value_code(block[:, 0].double().cpu().numpy()))
    return tuple(codes)


def value_code(values_N: np.ndarray) -> CodeOutput:
    """Representation of a continuous code by its values (N,)."""
    return CodeOutput(values_N[:, None], _quantile_states(values_N))


def probability_code(probabilities_NM: np.ndarray) -> CodeOutput:
    """Representation of a categorical code by its probabilities (N, M)."""
    return CodeOutput(probabilities_NM, probabilities_NM.argmax(axis=1))


def reader_codes(read: dict[str, np.ndarray], factors: FactorValues) -> tuple[CodeOutput, ...]:
    """The ceiling's representation: one code per factor, a reader's components (N, M)."""
    return tuple(CodeOutput(read[f.name], _states(f, f.scalar(read[f.name]))) for f, _ in factors)


def scores(codes: Sequence[CodeOutput], factors: FactorValues, seed: int) -> Scores:
    """All scores that the codes and factors allow; regressions are fitted on even rows and scored on odd ones.

    Constant factors are ignored. If a factor or a code is not finite, nothing is measured, and the reason names it.
    """
    broken = _not_finite(codes, factors)
    if broken:
        return Scores(reasons=dict.fromkeys(_HERE, f"not measured: {broken}"))
    factors = [(f, values_N.astype(np.float64)) for f, values_N in factors if np.ptp(values_N) > 0]
    num_rows = len(factors[0][1]) if factors else 0
    if num_rows < MIN_ROWS:
        reason = f"not defined: {num_rows} images with varying factors, {MIN_ROWS} are needed"
        return Scores(reasons=dict.fromkeys(_HERE, reason))
    reasons: dict[str, str] = {}
    mig = sap = disentangled = complete = None
    if len(codes) < 2:
        reason = f"not defined: a gap between codes needs two, there is {len(codes)}"
        reasons |= dict.fromkeys(("mig", "sap", "dci_completeness"), reason)
    else:
        sap = _mean_gap(_predictability_LF(codes, factors))
        # with nine images in ten at the lowest value, there is only one quantile state
        spread = [(f, v) for f, v in factors if len(np.unique(_states(f, f.scalar(f.components(v))))) > 1]
        if spread:
            mig = _mean_gap(_information_LF(codes, spread))
        else:
            reasons["mig"] = "not defined: no factor has more than one state"
    importance_LF, informative = _forests(codes, factors, seed)
    if len(codes) > 1:
        complete = _mean_purity(importance_LF.T)
    if len(factors) > 1:
        disentangled = _mean_purity(importance_LF, importance_LF.sum(axis=1))
    else:
        reasons["dci_disentanglement"] = "not defined: it needs two factors"
    return Scores(mig, sap, disentangled, complete, informative, reasons=reasons)


def _not_finite(codes: Sequence[CodeOutput], factors: FactorValues) -> str:
    """Names of factors and codes with non-finite values, and how many; empty if all are finite."""
    named = [(f"factor {factor.name}", values_N[:, None]) for factor, values_N in factors]
    named += [(f"code {k} of {len(codes)}", code.columns_NM) for k, code in enumerate(codes, 1)]
    found = [(name, int((~np.isfinite(rows)).any(axis=1).sum()), len(rows)) for name, rows in named]
    return ", ".join(f"{name} is not finite in {num} of {num_all} images" for name, num, num_all in found if num)


def factor_vae(
    batch: Callable[[int, np.random.Generator], Sequence[CodeOutput]],
    reference: Sequence[CodeOutput],
    num_factors: int,
    rng: np.random.Generator,
    *,
    num_votes: int = 100,
) -> Votes | None:
    """Accuracy of a majority vote that infers the fixed factor from the code that varies least (Kim and Mnih 2018).

    ``batch`` returns the representation of images in which the factor of this index is fixed and all else random.
    ``reference``: representation of the whole set, for each code's own variance. Half of the votes fit the majority,
    the other half is scored. Constant codes are ignored. Returns None (not defined) with fewer than two factors or if
    no code varies.
    """
    own_L = np.array([_variance(code) for code in reference])
    if num_factors < 2 or not (own_L > COLLAPSED).any():
        return None
    alive = np.flatnonzero(own_L > COLLAPSED)
    votes = np.zeros((2, len(own_L), num_factors), np.int64)
    for vote in range(num_votes):
        factor = vote // 2 % num_factors
        varying_L = np.array([_variance(code) for code in batch(factor, rng)])
        votes[vote % 2, alive[(varying_L[alive] / own_L[alive]).argmin()], factor] += 1
    majority_L = votes[0].argmax(axis=1)
    num_right, num_scored = int(votes[1][np.arange(len(own_L)), majority_L].sum()), int(votes[1].sum())
    interval = binomtest(num_right, num_scored).proportion_ci(method="wilson")
    return Votes(num_right / num_scored, float(interval.low), float(interval.high))


def _variance(code: CodeOutput) -> float:
    """Variance summed over the columns; for one-hot rows this is the Gini index, as in Kim and Mnih."""
    return float(code.columns_NM.var(axis=0).sum())


def _quantile_states(values_N: np.ndarray) -> np.ndarray:
    edges = np.unique(np.quantile(values_N, np.linspace(0, 1, NUM_BINS + 1)[1:-1]))
    return np.searchsorted(edges, values_N, side="right")


def _states(factor: Factor, scalar_N: np.ndarray) -> np.ndarray:
    if factor.kind == "binary":
        return (scalar_N > 0.5).astype(np.int64)
    return scalar_N.astype(np.int64) if factor.kind == "classes" else _quantile_states(scalar_N)


def _information_LF(codes: Sequence[CodeOutput], factors: FactorValues) -> np.ndarray:
    """Mutual information of codes and factors, over the factor's entropy."""
    states = [_states(f, f.scalar(f.components(values_N))) for f, values_N in factors]
    entropies = [entropy(np.bincount(states_N)) for states_N in states]
    return np.array(
        [
            [mutual_info_score(code.states_N, s_N) / h for s_N, h in zip(states, entropies, strict=True)]
            for code in codes
        ]
    )


def _predictability_LF(codes: Sequence[CodeOutput], factors: FactorValues) -> np.ndarray:
    """R^2 of a linear regression on held-out rows, at least 0, for all components of a factor together."""
    targets = [f.components(values_N) for f, values_N in factors]
    table = np.zeros((len(codes), len(factors)))
    for row, code in enumerate(codes):
        design_NM = np.column_stack([np.ones(len(code.columns_NM)), code.columns_NM])
        for column, target_NM in enumerate(targets):
            weights = np.linalg.lstsq(design_NM[::2], target_NM[::2], rcond=None)[0]
            if np.ptp(target_NM[1::2], axis=0).any():
                table[row, column] = max(0.0, explained(target_NM[1::2], design_NM[1::2] @ weights))
    return table


def _mean_gap(table_LF: np.ndarray) -> float:
    ordered_LF = np.sort(table_LF, axis=0)
    return float((ordered_LF[-1] - ordered_LF[-2]).mean())


def _forests(codes: Sequence[CodeOutput], factors: FactorValues, seed: int) -> tuple[np.ndarray, float]:
    """Importance of each code for each factor, (L, F), and the forests' mean held-out score."""
    columns_NM = np.concatenate([code.columns_NM for code in codes], axis=1)
    starts = np.cumsum([0, *(code.columns_NM.shape[1] for code in codes)])[:-1]
    importance, known = [], []
    for factor, values_N in factors:
        if factor.is_discrete:
            states_N = np.searchsorted(factor.values, values_N)
            model = RandomForestClassifier(**FOREST, random_state=seed).fit(columns_NM[::2], states_N[::2])
            right = float((model.predict(columns_NM[1::2]) == states_N[1::2]).mean())
            frequent = float((states_N[1::2] == np.bincount(states_N[::2]).argmax()).mean())
            score = (right - frequent) / (1 - frequent) if frequent < 1 else 0.0
        else:
            target_NM = factor.components(values_N)
            target_NM = target_NM[:, 0] if target_NM.shape[1] == 1 else target_NM
            model = RandomForestRegressor(**FOREST, random_state=seed).fit(columns_NM[::2], target_NM[::2])
            score = explained(target_NM[1::2], model.predict(columns_NM[1::2])) if np.ptp(values_N[1::2]) > 0 else 0.0
        importance.append(np.add.reduceat(model.feature_importances_, starts))
        known.append(max(0.0, score))
    return np.array(importance).T, float(np.mean(known))


def _mean_purity(table_AB: np.ndarray, weights_A: np.ndarray | None = None) -> float:
    """Mean over rows of 1 - normalised entropy of the row's shares; 0 for rows without importance."""
    totals_A = table_AB.sum(axis=1)
    purity = [
        1 - entropy(row) / np.log(len(row)) if total > 0 else 0.0 for row, total in zip(table_AB, totals_A, strict=True)
    ]
    if weights_A is None:
        return float(np.mean(purity))
    return float(np.average(purity, weights=weights_A)) if weights_A.sum() > 0 else 0.0
