"""The catalogue of measures: families and the quantities that each can return. Imports nothing heavy.

A family is a function in :mod:`infogan.measures.families`. experiments.toml lists the families of an experiment, and
its claims refer to quantities by name.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """A quantity of a family, and how to show it."""

    words: str
    unit: str  # empty for a dimensionless number
    decimals: int = 3
    factor: str | None = None  # the known factor or stroke property that it is about
    number: str = ""  # its name among that factor's quantities


FACTORS = {  # factors of the data sets, and the kinds that they can have (infogan.measures.factors.kinds)
    "azimuth": ("continuous",),
    "elevation": ("continuous", "binary"),  # a chair has one of two elevations
    "lighting": ("continuous",),
    "width": ("continuous",),
    "rotation": ("periodic",),
    "glasses": ("binary",),
    "hair": ("continuous", "binary"),  # CelebA's hair has several values, but part of the set may have only two
    "emotion": ("continuous", "binary"),  # CelebA's label: smiling or not
    "digit": ("classes",),
    "gradient": ("continuous",),
    "context": ("classes",),
    "plate_hue": ("continuous",),
    "light_on_dark": ("binary",),
}
_ANY, _SIGNED = ("continuous", "binary", "periodic", "classes"), ("continuous", "binary", "periodic")
_VALUED, _BINARY, _PERIODIC = ("continuous",), ("binary",), ("periodic",)
_ORDERED = (*_VALUED, *_BINARY)
_OF_A_FACTOR = (  # name, kinds of factor it applies to, words, unit, decimals
    ("reader_score", _ANY, "R2 or, of classes, accuracy of its readers on held-out images", "", 3),
    ("reader_agreement", _ANY, "least correlation of two readers on samples", "", 3),
    ("outside", _VALUED, "samples read beyond the range of the data", "of samples", 3),
    ("first_order", _ANY, "first-order Sobol index of its code", "of its variance", 3),
    ("total", _ANY, "total Sobol index of its code", "of its variance", 3),
    ("over_noise", _ANY, "its code's index over the largest noise dimension's", "", 1),
    ("noise_first_order", _ANY, "first-order index of the noise dimension found in the same way", "of its variance", 3),
    ("range_share", _ANY, "mean change over a sweep of -1 to 1", "of its range", 2),
    ("noise_range_share", _ANY, "the same of the noise dimension found in the same way", "of its range", 2),
    ("specificity", _ANY, "change over that sweep over the next factor's, each in its range", "", 2),
    ("sign", _SIGNED, "direction in which its code moves it", "", 0),
    ("sign_share", _SIGNED, "rows of the sweep in that direction", "of rows", 2),
    ("degrees", _PERIODIC, "angle covered over a sweep of -1 to 1", "degrees", 0),
    ("error_degrees", _PERIODIC, "standard error of that angle over rows", "degrees", 0),
    ("monotone", _PERIODIC, "steps of that sweep in its direction", "of steps", 2),
    ("resultant", _PERIODIC, "resultant length of the angle less the best slope times the code", "", 2),
    ("flips", _PERIODIC, "rows of that sweep with a step above 90 degrees", "of rows", 2),
    ("category_first_order", _ANY, "first-order Sobol index of its categorical code", "of its variance", 3),
    ("category_over_noise", _ANY, "its categorical code's index over the largest noise dimension's", "", 1),
    ("information", _ANY, "information of the category, chance taken off", "of its entropy", 3),
    ("omega_squared", _ORDERED, "omega squared between categories", "of its variance", 3),
    ("span", _ORDERED, "span of the ordered category means on fresh samples", "of its range", 2),
    ("tau", _ORDERED, "Kendall's tau of category means between two halves", "", 2),
    ("highest", _BINARY, "largest probability over categories", "", 2),
    ("lowest", _BINARY, "smallest probability over categories", "", 2),
    ("ceiling_range_share", _ANY, "the same where the renderer moves the factor itself", "of its range", 2),
    ("ceiling_degrees", _PERIODIC, "the same where the renderer turns the object once", "degrees", 0),
    ("ceiling_monotone", _PERIODIC, "steps of the renderer's sweep in its direction", "of steps", 2),
    ("ceiling_resultant", _PERIODIC, "resultant length of the renderer's sweep", "", 2),
    *(
        (f"{row}_{name}", kinds, f"{words}, {of}", unit, decimals)
        for row, of in (
            ("noise", "of a noise dimension cut into as many parts"),
            ("ceiling", "of the true factor cut into as many parts"),
        )
        for name, kinds, words, unit, decimals in (
            ("information", _ANY, "information of the category", "of its entropy", 3),
            ("omega_squared", _ORDERED, "omega squared between categories", "of its variance", 3),
            ("span", _ORDERED, "span of the ordered category means", "of its range", 2),
            ("tau", _ORDERED, "Kendall's tau of category means", "", 2),
            ("highest", _BINARY, "largest probability over categories", "", 2),
            ("lowest", _BINARY, "smallest probability over categories", "", 2),
        )
    ),
)
DISENTANGLEMENT = {
    "mig": "mutual information gap of Q on held-out images",
    "sap": "SAP of Q on held-out images, by R2",
    "dci_disentanglement": "DCI disentanglement of Q on held-out images, by random forests",
    "dci_completeness": "DCI completeness of Q on held-out images, by random forests",
    "dci_informativeness": "DCI informativeness of Q on held-out images, by random forests",
    "factor_vae": "FactorVAE score of Q on images with one factor fixed",
}
VOTES = {  # interval of the FactorVAE score, which is based on a few hundred votes
    "factor_vae_low": "its 95 % Wilson interval over votes, low end",
    "factor_vae_high": "its 95 % Wilson interval over votes, high end",
}

FAMILIES: dict[str, dict[str, Quantity]] = {
    "digits": {  # categories of c1 against digits
        "digit_error": Quantity("one-to-one error of Q's category on held-out digits", "of images"),
        "digit_error_majority": Quantity("majority error of Q's category on held-out digits", "of images"),
        "digit_error_train": Quantity("one-to-one error on the training digits", "of images"),
        "digit_error_low": Quantity("its 95 % Wilson interval over images, low end", "of images"),
        "digit_error_high": Quantity("its 95 % Wilson interval over images, high end", "of images"),
        "digit_error_untrained": Quantity("one-to-one error of an untrained Q", "of images"),
        "digit_error_kmeans_pixels": Quantity("one-to-one error of k-means on pixels", "of images"),
        "digit_error_kmeans_trunk": Quantity("one-to-one error of k-means on D's features", "of images"),
        "digit_error_probe": Quantity("error of a linear probe on D's features, which sees every label", "of images"),
        "categories_sharing": Quantity("categories that share their digit with another", "categories", 0),
        "sample_purity": Quantity("purity of c1 against a classifier's digit of samples", "of samples"),
        "sample_nmi": Quantity("NMI of c1 and a classifier's digit of samples", ""),
    },
    "strokes": {  # effects of the continuous codes on the shape of generated digits
        **{
            f"{name}_{what}": Quantity(f"{name}: {words}", unit, decimals, name, what)
            for name in ("slant", "width", "thickness")
            for what, words, unit, decimals in (
                ("first_order", "first-order Sobol index of its code", "of its variance", 3),
                ("over_noise", "its code's index over the largest noise dimension's", "", 1),
                ("effect_std", "change over a sweep of -1 to 1", "data standard deviations", 2),
                ("digit_kept", "rows of that sweep that keep their digit", "of rows", 2),
            )
        },
        "code_over_noise": Quantity("largest index of any code over the largest noise dimension's", "", 2),
    },
    "factors": {  # effects of the codes on known factors, as read by our own networks
        **{
            f"{factor}_{name}": Quantity(f"{factor.replace('_', ' ')}: {words}", unit, decimals, factor, name)
            for factor, kinds in FACTORS.items()
            for name, of_kinds, words, unit, decimals in _OF_A_FACTOR
            if set(kinds) & set(of_kinds)
        },
        **{
            f"{name}{suffix}": Quantity(f"{words}{of}", "")
            for name, words in (DISENTANGLEMENT | VOTES).items()
            for suffix, of in (
                ("", ""),
                ("_shuffled", ", factors shuffled"),
                ("_ceiling", ", the readers' in its place"),
            )
        },
    },
    "samples": {  # quality and diversity, in the features of our own networks
        "kid": Quantity("kernel inception distance to training images", "", 4),
        "kid_deviation": Quantity("its standard deviation over subsets of 1,000 rows", "", 4),
        "kid_held_out": Quantity("the same distance of held-out images", "", 4),
        "kid_training": Quantity("the same distance of other training images", "", 4),
        "frechet": Quantity("Fr\u00e9chet distance to training images", ""),
        "frechet_training": Quantity("the same of other training images", ""),
        "precision": Quantity("samples within the training images' manifold", "of samples"),
        "precision_held_out": Quantity("held-out images within it", "of images"),
        "precision_training": Quantity("other training images within it", "of images"),
        "recall": Quantity("training images within the samples' manifold", "of images"),
        "recall_training": Quantity("training images within other training images' manifold", "of images"),
        "density": Quantity("training images' neighbourhoods that a sample lies in, over their mean", ""),
        "density_training": Quantity("the same of other training images", ""),
        "coverage": Quantity("training images with a sample in their neighbourhood", "of images"),
        "coverage_training": Quantity("the same with other training images", "of images"),
        "digits_covered": Quantity("digits that samples show", "of 10", 0),
        "diversity": Quantity("mean distance of samples over real images'", ""),
        "diversity_within": Quantity("the same within a category", ""),
    },
    "trajectory": {},  # only series: KID and the one-to-one error at every probe
    "usable": {  # usable information of a baseline's c1, read by fresh Qs with the same small training budget
        f"usable_{capacity}_nats": Quantity(f"usable information of c1, {words} Q", "nats")
        for capacity, words in (
            ("linear", "a linear"),
            ("hidden", "a one-layer"),
            ("convolutional", "a convolutional"),
        )
    },
}
OF_PROBES = ("trajectory", "usable")  # families that need the probes kept during training
OF_GENERATORS = ("usable",)  # families whose probes must include the generator
QUANTITIES: dict[str, Quantity] = {name: q for numbers in FAMILIES.values() for name, q in numbers.items()}
