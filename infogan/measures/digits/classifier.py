"""A digit classifier, trained on real images only: it classifies generated digits and provides features.

It is trained on the data set's labelled images, reports its held-out accuracy, and is cached.
Shape suffixes: N images, C channels, H height, W width, D digits, F features.
"""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from infogan.data.base import Dataset
from infogan.measures.images import unit
from infogan.measures.kept import initialise, trained_once
from infogan.streams import stream
from infogan.training import BatchStream

NUM_DIGITS = 10
NUM_FEATURES = 128
_EVALUATION_BATCH = 500


@dataclass(frozen=True)
class Recipe:
    """Training settings of the classifier. The number of steps is fixed, so a small data set is seen more often."""

    iterations: int = 1600
    batch_size: int = 128
    width: int = 16
    peak_learning_rate: float = 4e-3  # of a one-cycle schedule
    weight_decay: float = 1e-2
    max_shift: float = 0.15  # in units of half the image's side: about 2 pixels of 28
    max_shear: float = 0.2
    max_zoom: float = 0.1
    seed: int = 0


class DigitClassifier(nn.Module):
    """Two 3x3 convolutions with pooling, a hidden layer, ten logits. In eval mode, no result depends on the batch."""

    def __init__(self, image_CHW: tuple[int, int, int], width: int) -> None:
        super().__init__()
        channels, height, side = image_CHW
        self.body = nn.Sequential(
            *(nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(width, 2 * width, 3, padding=1), nn.BatchNorm2d(2 * width), nn.ReLU(), nn.MaxPool2d(2)),
            nn.Flatten(),
            *(nn.Linear(2 * width * (height // 4) * (side // 4), NUM_FEATURES), nn.ReLU()),
        )
        self.head = nn.Linear(NUM_FEATURES, NUM_DIGITS)
        self.to(memory_format=torch.channels_last)  # twice as fast on a CPU

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits (N, D) for images in [0, 1]."""
        return self.head(self.body(images_NCHW))

    @torch.no_grad()
    def features(self, images_NCHW: Tensor) -> Tensor:
        """Activations of the hidden layer, (N, F), the feature space of KID, precision and recall."""
        return torch.cat([self.body(batch) for batch in self._batches(images_NCHW)])

    @torch.no_grad()
    def probabilities(self, images_NCHW: Tensor) -> Tensor:
        """Probability of each digit, (N, D)."""
        return torch.cat([self(batch).softmax(dim=1) for batch in self._batches(images_NCHW)])

    def digits(self, images_NCHW: Tensor) -> np.ndarray:
        """The most likely digit of each image, (N,) int64."""
        return self.probabilities(images_NCHW).argmax(dim=1).cpu().numpy()

    def _batches(self, images_NCHW: Tensor) -> tuple[Tensor, ...]:
        if self.training:
            raise RuntimeError("the classifier measures in eval mode only: in training its answers depend on the batch")
        weight = self.head.weight
        images_NCHW = images_NCHW.to(weight.device, weight.dtype, memory_format=torch.channels_last)
        return images_NCHW.split(_EVALUATION_BATCH)


@dataclass(frozen=True)
class TrainedClassifier:
    """A classifier and its accuracy on held-out images."""

    model: DigitClassifier
    test_accuracy: float
    num_train: int
    num_test: int


def digit_classifier(dataset: Dataset, recipe: Recipe | None = None) -> TrainedClassifier:
    """The classifier for ``dataset``, from the cache or trained now on one CPU thread (about a minute).

    The same data, recipe and libraries give the same bits. Raises ValueError without labels, with fewer training images
    than a batch, or with labels that are not digits.
    """
    recipe = recipe or Recipe()
    for name, part in (("training", dataset.train), ("held-out", dataset.test)):
        if part.labels is None:
            raise ValueError(f"a classifier needs labels, the {name} images of {dataset.info.name} have none")
        if part.labels.min() < 0 or part.labels.max() >= NUM_DIGITS:
            raise ValueError(f"labels must be digits, got {part.labels.min()} to {part.labels.max()}")
    if len(dataset.train.images) < recipe.batch_size:
        raise ValueError(f"a classifier needs {recipe.batch_size} training images, got {len(dataset.train.images)}")
    model = DigitClassifier(dataset.train.images.shape[1:], recipe.width)

    def train() -> dict[str, float]:
        _train(model, dataset, recipe)
        predicted = model.digits(unit(dataset.test.images))
        return {"test_accuracy": float((predicted == dataset.test.labels).mean())}

    # the number of images too: a cell may use only part of the set
    made_of = f"{dataset.info.digest} {len(dataset.train.images)} {asdict(recipe)}"
    code = ("measures/digits/classifier", "measures/images", "streams", "training")
    numbers = trained_once(model, "classifiers", made_of, code, train)
    return TrainedClassifier(model, numbers["test_accuracy"], len(dataset.train.images), len(dataset.test.images))


def _augmented(images_NCHW: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Shift, shear and zoom each image slightly at random."""
    num = len(images_NCHW)
    draws_5N = torch.rand(5, num, generator=generator) * 2 - 1
    affine_N23 = torch.zeros(num, 2, 3)
    affine_N23[:, 0, 0] = 1 + recipe.max_zoom * draws_5N[0]
    affine_N23[:, 1, 1] = 1 + recipe.max_zoom * draws_5N[1]
    affine_N23[:, 0, 1] = recipe.max_shear * draws_5N[2]
    affine_N23[:, :, 2] = recipe.max_shift * draws_5N[3:].T
    grid = F.affine_grid(affine_N23, list(images_NCHW.shape), align_corners=False)
    return F.grid_sample(images_NCHW, grid, align_corners=False)


def _train(model: DigitClassifier, dataset: Dataset, recipe: Recipe) -> None:
    initialise(model, stream(recipe.seed, "init"))
    draws = stream(recipe.seed, "data")
    images_NCHW = torch.from_numpy(dataset.train.images)
    labels_N = torch.from_numpy(dataset.train.labels)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=recipe.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.peak_learning_rate, recipe.iterations)
    batches = BatchStream(len(images_NCHW), recipe.batch_size, draws)
    model.train()
    for _ in range(recipe.iterations):
        rows = batches.next()
        images = _augmented(images_NCHW[rows].float().div_(255), recipe, draws)
        loss = F.cross_entropy(model(images.contiguous(memory_format=torch.channels_last)), labels_N[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
