"""What the programs do: train, evaluate, draw, explore, in the folder of a run."""
