"""What a category of c1 and the continuous codes have to do with digits."""
