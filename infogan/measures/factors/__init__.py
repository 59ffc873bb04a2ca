"""Effects of codes on known factors, and what Q knows about the factors of real images."""
