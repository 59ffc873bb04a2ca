"""All measures of a cell with their words, units and decimals. Names are built here only and never parsed."""

from dataclasses import dataclass

from infogan.measures import catalogue

SHARES = (0.8, 0.9)  # of an improvement; see bench.analysis.convergence
CUTS = {"": 1.0, "_three_quarters": 0.75, "_half": 0.5}  # name suffix: part of the run
MAX_CODES = 64  # per experiment, for the measures of single codes
OF_CATEGORIES = ("information", "omega_squared", "span", "tau", "highest", "lowest")


@dataclass(frozen=True)
class Measure:
    """A number of a finished cell. ``factor`` and ``number`` are set for measures of a known factor."""

    name: str
    words: str
    unit: str = ""  # empty for a dimensionless number
    decimals: int = 3
    factor: str | None = None
    number: str = ""  # its name among the factor's numbers

    @property
    def heading(self) -> str:
        """Words with the unit, such as ``T80 (iterations)``."""
        return f"{self.words} ({self.unit})" if self.unit else self.words

    @property
    def without_factor(self) -> str:
        """The heading for a place that already names the factor."""
        return self.heading.removeprefix(f"{(self.factor or '').replace('_', ' ')}: ")

    @property
    def is_of_categories(self) -> bool:
        """Whether it is about a categorical code's effect on its factor."""
        return self.number in OF_CATEGORIES


def improvement_name(what: str, share: float, cut: str) -> str:
    """Name of a measure of improvement, such as ``improvement_mi_80_half``."""
    return f"improvement_{what}_{round(100 * share)}{cut}"


_CURVES = (
    Measure("t80", "T80", "iterations", 1),
    Measure("mi_final_nats", "final L_I", "nats"),
    Measure("mi_final_fraction", "final L_I", "of H(c)"),
    Measure("mi_frozen_nats", "final L_I, frozen statistics", "nats"),
    Measure("mi_frozen_fraction", "final L_I, frozen statistics", "of H(c)"),
    Measure("area_under_curve", "mean L_I over the run", "of H(c)"),
    Measure("hump_nats", "peak L_I", "nats"),
    Measure("hump_iteration", "peak at", "iterations", 0),
    Measure("figure1_distance_nats", "distance to the paper's curve", "nats"),
)
_HEALTH = (
    Measure("variety", "variety of samples", "of the data's", 2),
    Measure("distinctness", "distinctness of samples", "of the data's"),
    Measure("saturation", "D saturated at the end", "of iterations", 2),
    Measure("collapsed", "collapsed", "1: yes", 0),
    Measure("step_ms", "step", "ms", 1),
)
_CODES = tuple(
    measure
    for code in (f"c{number}" for number in range(1, MAX_CODES + 1))
    for measure in (
        Measure(f"mi_final_{code}_nats", f"final L_I of {code}", "nats"),
        Measure(f"explained_final_{code}", f"explained share of {code}"),
    )
)
_IMPROVEMENT = tuple(
    Measure(improvement_name(what, share, cut), f"{words}{of}".format(f"{100 * share:g} %"), unit, decimals)
    for cut, of in (("", ""), ("_three_quarters", ", run cut at three quarters"), ("_half", ", run cut at a half"))
    for share in SHARES
    for what, words, unit, decimals in (
        ("mi", "iterations to {} of L_I's improvement", "iterations", 0),
        ("kid", "iterations to {} of KID's improvement", "iterations", 0),
        ("ratio", "iterations to {} of the improvement, L_I's over KID's", "", 2),
    )
)
# in tables these stand apart from the measures that their words in the catalogue refer to, whose text is part of keys
_ALONE = {
    "kid_deviation": "kernel inception distance: standard deviation over subsets of 1,000 rows",
    "kid_held_out": "kernel inception distance of held-out images",
    "kid_training": "kernel inception distance of other training images",
    "frechet_training": "Fr\u00e9chet distance of other training images",
    "precision_held_out": "held-out images within the training images' manifold",
    "precision_training": "other training images within the training images' manifold",
    "density_training": "density of other training images: neighbourhoods that one lies in, over their mean",
    "coverage_training": "training images with another training image in their neighbourhood",
    "diversity_within": "mean distance of samples over real images', within a category",
}
_FAMILIES = tuple(
    Measure(name, _ALONE.get(name, q.words), q.unit, q.decimals, q.factor, q.number)
    for name, q in catalogue.QUANTITIES.items()
)

MEASURED = {m.name: m for m in (*_FAMILIES, *_IMPROVEMENT)}  # besides those from the curves of L_I
MEASURES = {m.name: m for m in (*_CURVES, *_HEALTH, *_CODES, *MEASURED.values())}
_IMPROVED = {m.name for m in _IMPROVEMENT}
CLAIMED = [m.name for m in _CURVES if m.name != "mi_frozen_nats"] + list(MEASURED)  # measures that a claim may use
_OF_FACTORS = {(m.factor, m.number): m for m in _FAMILIES if m.factor}


def measure(name: str) -> Measure:
    """The measure with this name; records of other versions may have unknown ones, which get no unit."""
    return MEASURES.get(name) or Measure(name, name.replace("_", " "))


def of_factor(factor: str, number: str) -> Measure | None:
    """The measure of one of a factor's numbers; None if its kind has no such number."""
    return _OF_FACTORS.get((factor, number))


def families_with(name: str) -> list[str]:
    """The families of measures that give this number; none for one of L_I's curve, which every cell has."""
    if name in _IMPROVED:
        return ["trajectory"]
    return [family for family, numbers in catalogue.FAMILIES.items() if name in numbers]
