"""Where examples come from: files, data sets of TFDS, and what is made of them."""
