"""Check by torchvision's published checksums whether files are a data set's own: a layout alone proves nothing.

MNIST's sums are for the unpacked files; torchvision publishes those of the archives. md5 detects a mistake, not a
forgery.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

SUMS = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
    "list_attr_celeba.txt": "75e246fa4810816ffd6ee81facbd244c",
    "list_landmarks_align_celeba.txt": "cc24ecafdb5b50baae59b03474781f8c",
    "list_eval_partition.txt": "d32c9cbf5e040fd4025c592c306e6668",
}


def strangers(files: Iterable[Path]) -> list[str]:
    """Names of the files whose checksum is unknown or different. Raises OSError."""
    return [file.name for file in files if SUMS.get(file.name) != _md5(file)]


def own_set_note(layout: str, counts: str, names: list[str]) -> str:
    """The note for a data set of the user in another set's layout."""
    return f"A data set of the user's own in {layout}'s layout: {counts}. Not {layout}'s files: {', '.join(names)}."


def _md5(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
