"""What codes do to known factors, and what Q knows of them."""
