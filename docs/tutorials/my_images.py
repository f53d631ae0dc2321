# %% [markdown]
# # My images: Glow, labels, interpolation, attributes
#
# Train Glow on small images, draw new ones, walk between two of them, and change an
# attribute. It takes two minutes.
#
# ## The images
#
# Your own: put png, jpg or bmp files of one size into a folder and call
# `tfflows.data.load("images:FOLDER")`. Here: scikit-learn's handwritten digits, 8 x 8
# pixels of 17 grey levels.

# %%
import keras
import numpy as np

import tfflows

keras.utils.set_random_seed(0)  # the same figures in every run
digits = tfflows.data.load("digits")
x, labels = digits.arrays("train"), digits.labels("train")  # uint8 [N, 8, 8, 1], [N]
test = digits.arrays("test")
tfflows.plots.grid(x[:20], levels=17, columns=10)

# %% [markdown]
# ## Train Glow
#
# Glow works on several scales. On each it normalises, mixes the channels by a 1x1
# convolution, and changes half of them by an affine map that depends on the other half.
# Give `levels` for integer pixels: the flow then counts dequantization in its density.

# %%
flow = tfflows.models.glow(
    (8, 8, 1), num_levels=2, num_steps=4, width=32, log_scale="tanh", levels=17
)
epochs = 15
steps = epochs * (len(x) // 64)
flow.initialize(x[:256])
flow.compile(
    keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(3e-3, steps), clipnorm=50
    )
)
history = flow.fit(x, batch_size=64, epochs=epochs, verbose=0)
bits = flow.bits_per_dim(test).numpy().mean()
print(f"{bits:.2f} bits per pixel on test images; uniform: {np.log2(17):.2f}")

# %% [markdown]
# ## Draw new images
#
# At a lower temperature, images are cleaner and vary less:

# %%
rows = [flow.sample(10, seed=0, temperature=t).numpy() for t in (1.0, 0.7, 0.4)]
tfflows.plots.grid(np.concatenate(rows), levels=17, columns=10)

# %% [markdown]
# ## Interpolate
#
# The flow turns an image into latents and back without loss. Walk in a straight line
# between the latents of two images:

# %%
steps = np.linspace(0, 1, 9)
strips = [tfflows.latent.interpolate(flow, test[k], test[k + 1], steps) for k in (0, 4)]
tfflows.plots.grid(np.concatenate(strips).round(), levels=17, columns=9)

# %% [markdown]
# ## Change an attribute
#
# The mean latent of images that have an attribute, less the mean of those that do not,
# is a direction in which images gain it. The attribute can be anything that you can
# label. Here: strokes that are thicker than those of most images.

# %%
thick = x.mean(axis=(1, 2, 3)) > np.median(x.mean(axis=(1, 2, 3)))
direction = tfflows.latent.attribute_direction(flow, x, thick)
moved = tfflows.latent.manipulate(flow, test[:3], direction, [-2, -1, 0, 1, 2])
tfflows.plots.grid(moved.reshape(-1, 8, 8, 1).round(), levels=17, columns=5)

# %% [markdown]
# The middle column shows the images themselves. `class_direction` does the same between
# two classes, for example from 3 to 8. With faces (CelebA's labels), the attribute can
# be a smile.
#
# ## Labels
#
# Pass labels as `context` to make a flow conditional. A `context_network` embeds them
# as vectors. Draw one digit of each class, or ask which label makes an image most
# likely. Dense couplings learn the labels of such small images quickly:

# %%
by_class = tfflows.models.realnvp(
    (8, 8, 1),
    num_couplings=6,
    hidden_units=(128,),
    levels=17,
    context_shape=(),
    context_network=keras.layers.Embedding(10, 16),
)
labelled = {"x": x, "context": labels}
by_class.initialize(labelled)
by_class.compile(keras.optimizers.Adam(2e-3))
history = by_class.fit(labelled, batch_size=128, epochs=60, verbose=0)
drawn = by_class.sample(20, seed=1, temperature=0.7, context=np.arange(20) % 10)
tfflows.plots.grid(drawn.numpy(), levels=17, columns=10)

# %%
scores = np.stack([by_class.log_prob(test, label) for label in range(10)])
print("accuracy:", np.mean(scores.argmax(axis=0) == digits.labels("test")).round(3))

# %% [markdown]
# Glow takes labels with `num_classes=10`, as `glow_digits_classes` of the zoo does.
#
# ## From the shell
#
# `tfflows-explore` draws interpolations, attributes and reconstructions of any trained
# flow, such as one from the zoo with the weights that ship:

# %% language="sh"
# tfflows-explore --model=realnvp_digits --show=attribute --from_class=3 --to_class=8 \
#     --num_images=4 --output=3_to_8.png

# %%
from IPython.display import Image

Image("3_to_8.png")

# %% [markdown]
# To train on your own folder from the shell, and then to explore the run:
#
# ```sh
# tfflows-train   --model=glow_cifar10_small --dataset=images:FOLDER --model_dir=runs/my
# tfflows-explore --model_dir=runs/my --show=interpolation
# ```
