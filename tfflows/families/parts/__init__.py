"""What builders share: orders of steps, networks, contexts, preprocessing."""
