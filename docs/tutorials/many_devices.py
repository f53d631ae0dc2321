# %% [markdown]
# # Many GPUs, many workers, a TPU
#
# The same program trains on one device, on all GPUs of a machine, on several machines
# and on a TPU. The losses do not depend on the choice. This tutorial runs anywhere: it
# splits the CPU into two logical devices, as if they were two GPUs.

# %%
import json
import os
import subprocess

import keras
import tensorflow as tf

import tfflows

tfflows.training.set_cpu_devices(2)  # before TensorFlow starts; leave it out on GPUs

# %% [markdown]
# ## All GPUs of a machine
#
# Make a strategy, and build and compile in its scope. `"mirrored"` uses all GPUs (here
# the two logical CPUs); `"auto"` takes what is there.

# %%
x = tfflows.data.toy.two_moons.sample(8_192, seed=0)


def train(strategy):
    with strategy.scope():
        keras.utils.set_random_seed(0)
        flow = tfflows.models.realnvp((2,), num_couplings=4, hidden_units=(32, 32))
        flow.initialize(x[:1024])  # the same batch on all replicas
        flow.compile(keras.optimizers.Adam(2e-3))
    # batch_size is the global batch, which the replicas share
    history = flow.fit(x, batch_size=512, epochs=5, shuffle=False, verbose=0)
    return history.history["loss"]


mirrored = tfflows.training.make_strategy("mirrored")
print("replicas:", mirrored.num_replicas_in_sync)
two = train(mirrored)
one = train(tfflows.training.make_strategy("one_device"))
for pair in zip(one, two, strict=True):
    print("one device {:.4f}, two {:.4f}".format(*pair))

# %% [markdown]
# Each replica's loss counts its share of the *global* batch, so a learning rate that
# suits a batch suits it on any number of devices. When you add devices, you can keep
# the global batch, and each replica gets less of it, or grow both the batch and the
# learning rate.
#
# ## Your own pipeline
#
# Give `fit` a `tf.data.Dataset` of global batches. Keras splits each over the replicas.

# %%
dataset = tf.data.Dataset.from_tensor_slices(x).shuffle(8_192, seed=0).batch(512)
with mirrored.scope():
    flow = tfflows.models.nice((2,), hidden_units=(32,))
    flow.compile("adam")
history = flow.fit(dataset.prefetch(tf.data.AUTOTUNE), epochs=2, verbose=2)

# %% [markdown]
# ## Many workers
#
# Each machine runs the same command with the cluster in `TF_CONFIG`. Here, both workers
# are processes on this machine:

# %%
import socket


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


hosts = [f"127.0.0.1:{free_port()}" for _ in range(2)]
command = ["tfflows-train", "--model=nice_two_moons", "--model_dir=run"]
command += ["--strategy=multi_worker", "--set", "trainer.epochs=1"]
workers = [
    subprocess.Popen(
        command,
        env={
            **os.environ,
            "TF_CONFIG": json.dumps(
                {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": k}}
            ),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    for k in range(2)
]
print(workers[0].communicate()[0])
print("exit codes:", [worker.wait() for worker in workers])

# %% [markdown]
# The first worker writes checkpoints and the history. All machines need the same
# `--model_dir`, on storage that they share. If one is interrupted, start the same
# command on all of them again.
#
# ## A TPU
#
# On a TPU VM, the strategy is the only change:
#
# ```python
# strategy = tfflows.training.make_strategy("tpu", tpu="local")
# ```
#
# ```sh
# tfflows-train --model=glow_cifar10 --strategy=tpu --tpu=local --model_dir=gs://bucket/run
# ```
#
# Give batches a fixed size there (`dataset.batch(512, drop_remainder=True)`): XLA
# compiles the step for each shape. No TPU was at hand when this page was made, so this
# section was not run.
#
# Read on in [many devices and interruptions](../guides/scaling.md): precision, memory,
# values that are not finite.
