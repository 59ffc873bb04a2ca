"""Custom networks, optimisers and steps in place of the library's. docs/EXTENDING.md shows each."""

# those of torch.optim, in lower case, that need no closure and no sparse gradients, and accept any parameter shape
OPTIMIZERS = (
    *("adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "asgd", "nadam", "radam", "rmsprop", "rprop"),
    "sgd",
)


class OwnError(ValueError):
    """A custom part cannot be used. The message is one line that names it."""
