"""The last layer of a generator, a 4x4 transposed convolution of stride 2 to one channel, as a matrix product.

For CPUs.

PyTorch's kernels are designed for many channels; for one channel they take several times as long as the arithmetic.
Here one product computes the 4x4 patch that each feature pixel adds to the image, and ``fold`` sums the patches.
Shape suffixes: N images; C channels, H height, W width of the image; O channels, L pixels of the features; K = 16C.
"""

from torch import Tensor
from torch.nn import functional as F

THIN_CHANNELS = 1  # no gain at three channels (ratio of step times 1.01 [0.98, 1.05] on CelebA's networks)


def upconv_to_few(features_NOHW: Tensor, weight_OCHW: Tensor, bias_C: Tensor | None) -> Tensor:
    """`F.conv_transpose2d(features, weight, bias, stride=2, padding=1)` with 4x4 kernels, for few output channels.

    (N, O, H, W) to (N, C, 2H, 2W). The result is contiguous.
    """
    N, O, H, W = features_NOHW.shape
    features = features_NOHW.permute(0, 2, 3, 1).reshape(N * H * W, O)
    patches_NKL = (features @ weight_OCHW.flatten(1)).view(N, H * W, -1).transpose(1, 2)
    images_NCHW = F.fold(patches_NKL, (2 * H, 2 * W), 4, stride=2, padding=1)
    return images_NCHW if bias_C is None else images_NCHW + bias_C.view(-1, 1, 1)
