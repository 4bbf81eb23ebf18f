"""Training: a vocabulary, a model and its checkpoint, all from the little world."""
