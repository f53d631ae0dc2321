"""The parts of `FlowVAE`: latents, likelihoods, importance weights."""
