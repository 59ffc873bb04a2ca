"""The meaning of MNIST's codes, as tables and labels: a row a seed, baselines beside it, the best seed marked."""

import numpy as np

from bench.analysis import statistics
from bench.analysis.runs import Run, Sweep
from bench.report import wording
from bench.report.tabular import Table
from bench.spec.experiment import same_variant

ERROR, CHOSEN_BY = "digit_error", "digit_error_train"
_BASELINES = ("digit_error_untrained", "digit_error_kmeans_pixels", "digit_error_kmeans_trunk", "digit_error_probe")
BASELINE_ARM = "gan"  # what InfoGAN "comes for free" against, and what shows how a factor is found by chance


def best_run(runs: list[Run]) -> Run | None:
    """The seed that errs least on the training digits: no held-out image chooses. None where none was measured."""
    having = [run for run in runs if CHOSEN_BY in run.summary]
    return min(having, key=lambda run: (run.summary[CHOSEN_BY], run.cell.seed)) if having else None


def confusion(run: Run) -> np.ndarray | None:
    """Held-out images by category and digit, (K, D); None where that was not recorded."""
    counts = run.measured("digits").details.get("errors", {}).get("confusion_KD")
    return np.array(counts) if counts else None


def codes_tables(sweep: Sweep, order: list[str]) -> list[Table]:
    """The tables of digits and of sample quality."""
    return [_digits(sweep, order), _for_free(sweep, order)]


def _digits(sweep: Sweep, order: list[str]) -> Table:
    """Figure 2a's error, every seed, beside what needs no code."""
    rows, records, names = [], [], (ERROR, f"{ERROR}_low", f"{ERROR}_high", CHOSEN_BY, *_BASELINES)
    for group in order:
        runs = [run for run in sweep.done(group) if ERROR in run.summary]
        best = best_run(runs)
        for run in runs:
            s = run.summary
            mark = f"{run.cell.seed} (best)" if run is best else str(run.cell.seed)
            low, high = s.get(f"{ERROR}_low"), s.get(f"{ERROR}_high")
            error = wording.measured(ERROR, s[ERROR])
            error = error if low is None else wording.with_interval(ERROR, s[ERROR], low, high)
            shown = [wording.measured(m, s.get(m)) for m in (CHOSEN_BY, *_BASELINES)]
            rows.append([group, mark, error, *shown])
            records.append([group, run.cell.seed, run is best, *(s.get(m) for m in names)])
    headings = ["arm", "seed", "Q's category, held out [Wilson 95 %]", "Q's category, training", "an untrained Q"]
    headings += ["k-means on pixels", "k-means on D's features", "linear probe on D's features (ceiling)"]
    caption = (
        "Share of digits that are in the wrong category. Each category is matched to one digit on the training images "
        "and scored on the held-out images. The linear probe sees every label; its column shows its own error. The "
        "Wilson interval covers the held-out images of one seed, not the spread between seeds. Best: fewest errors on "
        "the training images. k-means on the features of the gan arm is a baseline without codes. A dash: not measured."
    )
    keys = ["arm", "seed", "best", *names]
    return Table("digits", "Categories against digits, every seed", caption, headings, rows, keys, records, num_text=2)


def _for_free(sweep: Sweep, order: list[str]) -> Table:
    """KID of every arm against the plain GAN's, paired by seed."""
    rows: list[list[str]] = []
    records: list[list[object]] = []
    for group in order:
        baseline = same_variant(group, BASELINE_ARM)
        if group == baseline:
            continue
        base = {run.cell.seed: run.summary["kid"] for run in _with_kid(sweep, baseline)}
        paired = {r.cell.seed: r.summary["kid"] for r in _with_kid(sweep, group) if r.cell.seed in base}
        if not paired:
            continue
        gaps = [kid - base[seed] for seed, kid in paired.items()]
        interval = statistics.median_interval(gaps)
        words = [f"{s}: {wording.number(k, 4)} / {wording.number(base[s], 4)}" for s, k in paired.items()]
        gap = f"{interval.median:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"
        rows.append([group, ", ".join(words), gap, f"{sum(g <= 0 for g in gaps)} of {len(gaps)}"])
        records += [[group, seed, kid, base[seed], kid - base[seed]] for seed, kid in paired.items()]
    caption = (
        "Kernel inception distance (KID) to training images, in the features of our own network; smaller is better. "
        "Each seed is paired with the same seed of the plain GAN, which has the same data order and latents. "
        "Median difference with its exact interval from the order of the seeds; with two seeds that is their range."
    )
    headings = ["arm", "seed: KID of the arm / of gan", "difference, median [interval]", "seeds no worse"]
    title = "InfoGAN for free: sample quality against the plain GAN"
    keys = ["arm", "seed", "kid", "kid_gan", "difference"]
    return Table("for-free", title, caption, headings, rows, keys, records, num_text=2)


def _with_kid(sweep: Sweep, group: str) -> list[Run]:
    return [run for run in sweep.done(group) if "kid" in run.summary]
