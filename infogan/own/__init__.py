"""Somebody else's network, optimiser or iteration in place of the library's. docs/EXTENDING.md shows each."""

# of torch.optim, in lower case: those that need neither a closure nor sparse gradients nor matrices alone
OPTIMIZERS = (
    *("adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "asgd", "nadam", "radam", "rmsprop", "rprop"),
    "sgd",
)


class OwnError(ValueError):
    """Something of one's own cannot be used. The message is one line that names it."""
