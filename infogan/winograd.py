"""4x4 convolutions of stride 2, and their transposes, with fewer multiplications. For CPUs.

Space-to-depth (2x2 pixels become one block of 4C channels) turns such a convolution into a 2x2 one of stride 1. Minimal
filtering (Toom-Cook, Winograd; Lavin & Gray 2016, arXiv 1509.09308) computes m outputs of a 2-tap filter with m + 1
products instead of 2m, in each direction: features = A ((G weight) * (B blocks)). With channels, each of the products
`*` is a matrix product over images and channels; one `torch.bmm` computes all of them.

Why it is faster: a cell of 4x4 features takes 25 products for 64 taps. The forward pass hardly gains, because the
transforms move memory; the backward pass reuses both forward transforms, and each of its two products shrinks as well.
It is the same function in exact arithmetic with different rounding: float32 errors are near 1e-6. Unless the heap is
kept between iterations (glibc `mallopt`), page faults take most of the gain.

Shape suffixes: N images; C channels, H height, W width of the image (fine) side; O channels of the feature (coarse)
side; T all cells of the batch; F features of a cell, Q blocks that a cell reads, P products of a cell; K = 4C.
A transposed convolution maps features to an image, so its input is `features_NOHW`.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

# Interpolation points of a tile by its number of outputs, besides infinity. Any distinct points are exact; these
# had the smallest rounding errors of a few hundred sets. The
# textbook's 0, 1, -1, 1/2 for four outputs has twice the error.
_POINTS: dict[int, tuple[float, ...]] = {
    1: (0.0,),
    2: (1.0, -1.0),
    3: (0.0, 1.0, -1.0),
    4: (0.4, -0.4, 1.25, -1.25),
    7: (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5),
}
# Tiles for seven features, by rows and columns: 4 + 3 takes 9 products per direction; one tile of 7 takes 8 but has ten
# times the rounding error (8e-6 of the result in float32, against 7e-7). Other lengths do not depend on this choice.
TILINGS = ("43x43", "43x7", "7x7")


@dataclass(frozen=True)
class _Cells:
    """One direction: `length` features split into equal cells (the last may overhang), each cell into tiles."""

    length: int
    tiles: tuple[int, ...]

    @property
    def size(self) -> int:
        return sum(self.tiles)

    @property
    def count(self) -> int:
        return -(-self.length // self.size)

    @property
    def num_products(self) -> int:
        return self.count * (self.size + len(self.tiles))

    def _pixel(self, cell: int, parity: int, block: int) -> int:
        return 2 * (self.size * cell + block) + parity - 1  # the image is padded by one pixel

    def outside(self) -> list[tuple[int, int, int]]:
        """(cell, parity, block) of every pixel read from outside the image."""
        places = [(c, p, b) for c in range(self.count) for p in (0, 1) for b in range(self.size + 1)]
        return [place for place in places if not 0 <= self._pixel(*place) < 2 * self.length]

    def strips(self, shared: bool) -> list[tuple[int, int, slice, slice]]:
        """(cell, parity, blocks, their pixels) inside the image.

        A cell's last block is also the next cell's first: it is read twice (`shared`) but written only once.
        """
        strips = []
        for cell in range(self.count):
            num_blocks = self.size + (shared or cell == self.count - 1)
            for parity in (0, 1):
                inside = [b for b in range(num_blocks) if 0 <= self._pixel(cell, parity, b) < 2 * self.length]
                if inside:
                    first, last = (self._pixel(cell, parity, block) for block in (inside[0], inside[-1]))
                    strips.append((cell, parity, slice(inside[0], inside[-1] + 1), slice(first, last + 1, 2)))
        return strips

    def matrices(self) -> tuple[Tensor, Tensor, Tensor]:
        """Matrices of one cell in float64: A (size, products), G (products, 2), B (products, size + 1)."""
        A, G = [_evaluate(m, m).T for m in self.tiles], [_evaluate(m, 2) for m in self.tiles]
        B = torch.zeros(self.size + len(self.tiles), self.size + 1, dtype=torch.float64)
        product = block = 0
        for m in self.tiles:
            B[product : product + m + 1, block : block + m + 1] = torch.linalg.inv(_evaluate(m, m + 1)).T
            product, block = product + m + 1, block + m  # neighbouring tiles share a block
        return torch.block_diag(*A), torch.cat(G), B


def _evaluate(tile: int, num_coefficients: int) -> Tensor:
    """Matrix that evaluates a polynomial at the tile's points and, in the last row, at infinity."""
    points = torch.tensor(_POINTS[tile], dtype=torch.float64)
    infinity = torch.eye(num_coefficients, dtype=torch.float64)[-1:]
    return torch.cat([points[:, None] ** torch.arange(num_coefficients), infinity])


def _cells(length: int, seven: str) -> _Cells:
    """The split with the fewest products; seven features as one tile only if requested and if it divides the length."""
    choices: list[tuple[int, ...]] = [(1,), (2,), (3,), (4,), (4, 3)]
    if seven == "7" and length % 7 == 0:
        choices = [(7,)]
    return min((_Cells(length, tiles) for tiles in choices), key=lambda cells: cells.num_products)


class _Transforms:
    """The linear maps before and after the products, and their adjoints, for one feature size."""

    def __init__(self, rows: _Cells, columns: _Cells, dtype: torch.dtype, device: torch.device) -> None:
        self.rows, self.columns = rows, columns
        self.cell_grid = (rows.count, columns.count)
        self.A_FP, self.G_P4, self.B_PQ = (
            torch.kron(by_row, by_column).to(device, dtype)
            for by_row, by_column in zip(rows.matrices(), columns.matrices(), strict=True)
        )
        self.read = [(row, column) for row in rows.strips(True) for column in columns.strips(True)]
        self.write = [(row, column) for row in rows.strips(False) for column in columns.strips(False)]

    def weight_to_products(self, weight_OCHW: Tensor) -> Tensor:
        """Transform the weight to (P, K, O). Tap 2i + a in one direction is pixel a of block i."""
        O, C = weight_OCHW.shape[:2]
        taps = weight_OCHW.reshape(O, C, 2, 2, 2, 2).permute(2, 4, 3, 5, 1, 0).reshape(4, 4 * C * O)
        return (self.G_P4 @ taps).view(-1, 4 * C, O)

    def products_to_weight(self, products_PKO: Tensor) -> Tensor:
        """Adjoint of `weight_to_products`."""
        P, K, O = products_PKO.shape
        taps = (self.G_P4.T @ products_PKO.reshape(P, -1)).view(2, 2, 2, 2, K // 4, O)
        return taps.permute(5, 4, 0, 2, 1, 3).reshape(O, K // 4, 4, 4)

    def image_to_products(self, images_NCHW: Tensor) -> Tensor:
        """Transform images to (P, T, K)."""
        images_NHWC = images_NCHW.permute(0, 2, 3, 1)
        N, _, _, C = images_NHWC.shape
        # (image, cell row, cell column, block row, block column, pixel row, pixel column, channel); writing each pixel
        # parity apart spares a padded copy of the images
        blocks = images_NHWC.new_empty(N, *self.cell_grid, self.rows.size + 1, self.columns.size + 1, 2, 2, C)
        for cell, parity, block in self.rows.outside():
            blocks[:, cell, :, block, :, parity] = 0
        for cell, parity, block in self.columns.outside():
            blocks[:, :, cell, :, block, :, parity] = 0
        for (cell_h, parity_h, blocks_h, pixels_h), (cell_w, parity_w, blocks_w, pixels_w) in self.read:
            pixels = images_NHWC[:, pixels_h, pixels_w]
            blocks[:, cell_h, cell_w, blocks_h, blocks_w, parity_h, parity_w] = pixels
        return _apply_to_cells(self.B_PQ, blocks.view(-1, self.B_PQ.shape[1], 4 * C)).transpose(0, 1)

    def products_to_image(self, products_PTK: Tensor) -> Tensor:
        """Adjoint of `image_to_products`; returns (N, C, H, W)."""
        C = products_PTK.shape[2] // 4
        blocks = _apply_to_cells(self.B_PQ.T, products_PTK.transpose(0, 1))
        blocks = blocks.view(-1, *self.cell_grid, self.rows.size + 1, self.columns.size + 1, 2, 2, C)
        blocks[:, 1:, :, 0] += blocks[:, :-1, :, -1]  # rows before columns: a corner block belongs to four cells
        blocks[:, :, 1:, :, 0] += blocks[:, :, :-1, :, -1]
        images_NHWC = blocks.new_empty(len(blocks), 2 * self.rows.length, 2 * self.columns.length, C)
        for (cell_h, parity_h, blocks_h, pixels_h), (cell_w, parity_w, blocks_w, pixels_w) in self.write:
            pixels = blocks[:, cell_h, cell_w, blocks_h, blocks_w, parity_h, parity_w]
            images_NHWC[:, pixels_h, pixels_w] = pixels
        return images_NHWC.permute(0, 3, 1, 2)

    def features_to_products(self, features_NOHW: Tensor) -> Tensor:
        """Adjoint of `products_to_features`; returns (P, T, O)."""
        rows, columns = self.rows, self.columns
        beyond = (rows.count * rows.size - rows.length, columns.count * columns.size - columns.length)
        cells = features_NOHW.permute(0, 2, 3, 1)
        if any(beyond):
            cells = F.pad(cells, (0, 0, 0, beyond[1], 0, beyond[0]))
        cells = cells.unflatten(2, (columns.count, columns.size)).unflatten(1, (rows.count, rows.size))
        cells = cells.transpose(2, 3).reshape(-1, rows.size * columns.size, features_NOHW.shape[1])
        return _apply_to_cells(self.A_FP.T, cells).transpose(0, 1)

    def products_to_features(self, products_PTO: Tensor) -> Tensor:
        """Transform products to features (N, O, H, W)."""
        rows, columns = self.rows, self.columns
        cells = _apply_to_cells(self.A_FP, products_PTO.transpose(0, 1))
        cells = cells.view(-1, *self.cell_grid, rows.size, columns.size, products_PTO.shape[2]).transpose(2, 3)
        features_NHWO = cells.flatten(3, 4).flatten(1, 2)[:, : rows.length, : columns.length]
        return features_NHWO.contiguous().permute(0, 3, 1, 2)


def _apply_to_cells(matrix: Tensor, cells: Tensor) -> Tensor:
    return torch.bmm(matrix.expand(len(cells), -1, -1), cells)


@lru_cache
def _transforms(height: int, width: int, tiling: str, dtype: torch.dtype, device: torch.device) -> _Transforms:
    if tiling not in TILINGS:
        raise ValueError(f"tiling must be one of {', '.join(TILINGS)}, not {tiling!r}")
    by_row, by_column = tiling.split("x")
    return _Transforms(_cells(height, by_row), _cells(width, by_column), dtype, device)


class _Convolution(torch.autograd.Function):
    """The convolution or its transpose, which is the adjoint of the convolution with respect to its input."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight_OCHW: Tensor, tiling: str, transposed: bool) -> Tensor:
        H, W = inputs.shape[2:] if transposed else (inputs.shape[2] // 2, inputs.shape[3] // 2)
        maps = _transforms(H, W, tiling, inputs.dtype, inputs.device)
        weight_PKO = maps.weight_to_products(weight_OCHW)
        if transposed:
            products = maps.features_to_products(inputs)
            output = maps.products_to_image(torch.bmm(products, weight_PKO.mT))
        else:
            products = maps.image_to_products(inputs)
            output = maps.products_to_features(torch.bmm(products, weight_PKO))
        needs_inputs, needs_weight = ctx.needs_input_grad[:2]
        ctx.save_for_backward(weight_PKO if needs_inputs else None, products if needs_weight else None)
        ctx.maps, ctx.transposed = maps, transposed
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        maps, (weight_PKO, products) = ctx.maps, ctx.saved_tensors
        grad_products = maps.image_to_products(grad) if ctx.transposed else maps.features_to_products(grad)
        grad_inputs = grad_weight = None
        if weight_PKO is not None:
            if ctx.transposed:
                grad_inputs = maps.products_to_features(torch.bmm(grad_products, weight_PKO))
            else:
                grad_inputs = maps.products_to_image(torch.bmm(grad_products, weight_PKO.mT))
        if products is not None:
            image, features = (grad_products, products) if ctx.transposed else (products, grad_products)
            grad_weight = maps.products_to_weight(torch.bmm(image.mT, features))
        return grad_inputs, grad_weight, None, None


def conv4x4_stride2(images_NCHW: Tensor, weight_OCHW: Tensor, tiling: str = "43x43") -> Tensor:
    """`F.conv2d(images_NCHW, weight_OCHW, None, stride=2, padding=1)`: (N, C, H, W) -> (N, O, H/2, W/2).

    Height and width must be even, the kernels 4x4. The result is dense in channels_last order. Differentiable once.
    """
    _check(images_NCHW, weight_OCHW, channel_axis=1)
    if images_NCHW.shape[2] % 2 or images_NCHW.shape[3] % 2:
        raise ValueError(f"height and width must be even, not {tuple(images_NCHW.shape[2:])}")
    output: Tensor = _Convolution.apply(images_NCHW, weight_OCHW, tiling, False)
    return output


def conv_transpose4x4_stride2(features_NCHW: Tensor, weight_COHW: Tensor, tiling: str = "43x43") -> Tensor:
    """`F.conv_transpose2d(features_NCHW, weight_COHW, None, stride=2, padding=1)`: (N, C, H, W) -> (N, O, 2H, 2W).

    The kernels must be 4x4. The result is dense in channels_last order. Differentiable once.
    """
    _check(features_NCHW, weight_COHW, channel_axis=0)
    output: Tensor = _Convolution.apply(features_NCHW, weight_COHW, tiling, True)
    return output


def _check(inputs: Tensor, weight: Tensor, channel_axis: int) -> None:
    if inputs.dim() != 4 or weight.dim() != 4 or tuple(weight.shape[2:]) != (4, 4):
        raise ValueError(f"needs 4-D inputs and 4x4 kernels, not {tuple(inputs.shape)} and {tuple(weight.shape)}")
    if inputs.shape[1] != weight.shape[channel_axis]:
        raise ValueError(f"inputs have {inputs.shape[1]} channels, the weight expects {weight.shape[channel_axis]}")
