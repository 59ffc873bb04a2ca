"""4x4 convolutions of stride 2 and their transposes, with a product where PyTorch's own kernel is slow. For CPUs.

``thin``, for images of few channels (G's last layer and D's first): PyTorch's kernels are designed for many channels;
the way from features to an image of one channel takes them several times as long as the arithmetic. It is the
up-convolution itself, and the gradient of a convolution with respect to its images. Here one product computes the 4x4
patch that each feature pixel adds to the image, and the patches are summed in four shifted blocks.

``gathered``, for small images of many channels in bfloat16: the gradient of the weight is one product of the gradient
with all 4x4 patches of the images.

Everything else is left to PyTorch. Shape suffixes: N images; C channels of the image; O channels, H height, W width of
the features, half of the image's; K = 16C.
"""

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

Way = Literal["thin", "gathered"]


def _images_thin(features_NOHW: Tensor, weight_OCHW: Tensor) -> Tensor:
    """The transposed convolution, (N, C, 2H, 2W)."""
    N, O, H, W = features_NOHW.shape
    C = weight_OCHW.shape[1]
    features = features_NOHW.permute(0, 2, 3, 1).reshape(N * H * W, O)
    patches = (weight_OCHW.flatten(1).t() @ features.t()).view(C, 4, 4, N, H, W)
    # (C, pixel row, pixel column, N, block row, block column): a block has 2x2 pixels, and a patch covers 2x2 blocks
    blocks = patches.new_zeros(C, 2, 2, N, H + 1, W + 1)
    for row in (0, 1):
        for column in (0, 1):
            part = patches[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            blocks[..., row : row + H, column : column + W] += part
    images_NCHW = blocks.permute(3, 0, 4, 1, 5, 2).reshape(N, C, 2 * H + 2, 2 * W + 2)
    return images_NCHW[:, :, 1:-1, 1:-1]  # the padding of 1


def _images(features_NOHW: Tensor, weight_OCHW: Tensor, way: Way) -> Tensor:
    if way == "thin":
        return _images_thin(features_NOHW, weight_OCHW)
    return F.conv_transpose2d(features_NOHW, weight_OCHW, stride=2, padding=1)


def _weight_gathered(images_NCHW: Tensor, features_NOHW: Tensor) -> Tensor:
    """The weight's gradient (O, C, 4, 4), where ``features_NOHW`` is the gradient of the convolution's output."""
    padded_NHWC = F.pad(images_NCHW.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    patches = padded_NHWC.unfold(1, 4, 2).unfold(2, 4, 2)  # (N, H, W, C, 4, 4)
    C, O = images_NCHW.shape[1], features_NOHW.shape[1]
    patches = patches.permute(0, 1, 2, 4, 5, 3).reshape(-1, 16 * C)
    features = features_NOHW.permute(0, 2, 3, 1).reshape(-1, O)
    return (features.t() @ patches).view(O, 4, 4, C).permute(0, 3, 1, 2)


def _weight(images_NCHW: Tensor, features_NOHW: Tensor, weight_OCHW: Tensor, way: Way) -> Tensor:
    if way == "gathered":
        return _weight_gathered(images_NCHW, features_NOHW)
    found: Tensor = conv2d_weight(images_NCHW, weight_OCHW.shape, features_NOHW, stride=2, padding=1)
    return found


class _FromImages(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images_NCHW: Tensor, weight_OCHW: Tensor, bias_O: Tensor | None, way: Way) -> Tensor:
        ctx.save_for_backward(images_NCHW, weight_OCHW)
        ctx.way = way
        return F.conv2d(images_NCHW, weight_OCHW, bias_O, stride=2, padding=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_NOHW: Tensor) -> tuple[Tensor | None, ...]:
        images_NCHW, weight_OCHW = ctx.saved_tensors
        images = weight = bias = None
        if ctx.needs_input_grad[0]:
            images = _images(gradient_NOHW, weight_OCHW, ctx.way)
        if ctx.needs_input_grad[1]:
            weight = _weight(images_NCHW, gradient_NOHW, weight_OCHW, ctx.way)
        if ctx.needs_input_grad[2]:
            bias = gradient_NOHW.sum((0, 2, 3))
        return images, weight, bias, None


class _ToImages(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features_NOHW: Tensor, weight_OCHW: Tensor, way: Way) -> Tensor:
        ctx.save_for_backward(features_NOHW, weight_OCHW)
        ctx.way = way
        return _images(features_NOHW, weight_OCHW, way)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_NCHW: Tensor) -> tuple[Tensor | None, ...]:
        features_NOHW, weight_OCHW = ctx.saved_tensors
        features = weight = None
        if ctx.needs_input_grad[0]:
            features = F.conv2d(gradient_NCHW, weight_OCHW, stride=2, padding=1)
        if ctx.needs_input_grad[1]:
            weight = _weight(gradient_NCHW, features_NOHW, weight_OCHW, ctx.way)
        return features, weight, None


def conv(images_NCHW: Tensor, weight_OCHW: Tensor, bias_O: Tensor | None, way: Way) -> Tensor:
    """`F.conv2d(images, weight, bias, stride=2, padding=1)` with 4x4 kernels: (N, C, 2H, 2W) to (N, O, H, W).

    Height and width must be even. Differentiable once.
    """
    output: Tensor = _FromImages.apply(images_NCHW, weight_OCHW, bias_O, way)
    return output


def upconv(features_NOHW: Tensor, weight_OCHW: Tensor, bias_C: Tensor | None, way: Way) -> Tensor:
    """`F.conv_transpose2d(features, weight, bias, stride=2, padding=1)` with 4x4 kernels.

    (N, O, H, W) to (N, C, 2H, 2W). Differentiable once.
    """
    images_NCHW: Tensor = _ToImages.apply(features_NOHW, weight_OCHW, way)
    return images_NCHW if bias_C is None else images_NCHW + bias_C.view(-1, 1, 1)
