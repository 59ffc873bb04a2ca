"""What measures a code. Everything here uses frozen batch-norm statistics, so no result depends on its batch."""
