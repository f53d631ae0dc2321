"""Equal work in tfflows and in its peers, each in a process of its own."""
