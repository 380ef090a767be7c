"""What a batch teaches: one class for each kind of lesson, and the plan that mixes them."""
