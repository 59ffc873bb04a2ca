"""A network of one's own: the paper's table 1 without the fully connected layers of 1024."""

from infogan.architectures import Architecture, Layer

CONVOLUTIONAL = Architecture(
    image_CHW=(1, 28, 28),
    trunk=(Layer("conv", 64, batch_norm=False), Layer("conv", 128)),  # D's and Q's, 28 to 7 pixels a side
    q_hidden=(Layer("linear", 128),),
    generator=(Layer("linear", 128, spatial=7), Layer("upconv", 64), Layer("upconv", 1, batch_norm=False)),
    output="sigmoid",
)
