"""How good is a model: the exam on the little world."""
