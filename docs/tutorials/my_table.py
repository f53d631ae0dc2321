# %% [markdown]
# # My table: density, outliers, categories, scikit-learn
#
# Fit a density to the rows of a table. It tells you which rows are unusual, draws new
# rows, and classifies.
#
# ## A table
#
# Use your own with `pd.read_csv("mine.csv")`. Here: 569 tumours, of which this tutorial
# takes the first ten columns, and a category, malignant or benign.

# %%
import keras
import numpy as np
import pandas as pd
import sklearn.datasets
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tfflows
from tfflows.sklearn import FlowDensity

keras.utils.set_random_seed(0)  # the same figures in every run
table = sklearn.datasets.load_breast_cancer(as_frame=True)
rows = table.data.iloc[:, :10]
kind = table.target_names[table.target]
train, test, train_kind, test_kind = train_test_split(
    rows, kind, test_size=60, random_state=0
)
train.describe().loc[["mean", "std", "min", "max"]].round(3)

# %% [markdown]
# ## Fit a density
#
# `FlowDensity` stands in for scikit-learn's `KernelDensity` and `GaussianMixture`. It
# standardises the columns itself, fits Gaussian mixtures and, for 500 rows or more,
# also spline flows, and weighs them by rows that it holds out.

# %%
density = FlowDensity(random_state=0, max_seconds=30).fit(train)
pd.DataFrame(density.report_["tried"])[["name", "score", "weight"]]

# %% [markdown]
# `score` is the mean log-density of rows in nats. Compare it on rows that no model has
# seen; more is better:

# %%
scale = np.log(train.std()).sum()  # the pipelines' densities are of scaled columns
others = {
    "KernelDensity": make_pipeline(StandardScaler(), KernelDensity(bandwidth=0.4)),
    "GaussianMixture": make_pipeline(
        StandardScaler(), GaussianMixture(3, random_state=0)
    ),
}
for name, model in others.items():
    scores = (
        model.fit(train)
        .named_steps[name.lower()]
        .score_samples(model[:-1].transform(test))
    )
    print(f"{name}: {scores.mean() - scale:.2f} nats")
print(f"FlowDensity: {density.score(test):.2f} nats")

# %% [markdown]
# ## Draw new rows
#
# Compare samples (red, above the diagonal) with data (blue). The density keeps a little
# weight for far rows, which would stretch the axes, so leave those out of the picture:

# %%
drawn = density.sample(1_000, random_state=0)
inside = np.all((drawn > rows.min().values) & (drawn < rows.max().values), axis=1)
tfflows.plots.pairs(train, drawn[inside], max_columns=4)

# %% [markdown]
# ## Find outliers
#
# Plant three faults in the test rows, such as a wrong unit or a copied cell, and look
# for them:

# %%
faulty = test.copy()
faulty.iloc[5, 3] /= 10  # an area in another unit
faulty.iloc[20, 4] = faulty.iloc[20, 5]
faulty.iloc[50, 0] *= 1.5
log_prob = density.score_samples(faulty)
print("least likely of", len(faulty), "rows:", np.argsort(log_prob)[:6])
print(
    "planted:", log_prob[[5, 20, 50]].round(1), "median:", np.median(log_prob).round(1)
)

# %% [markdown]
# A flow also learns outliers in its training data. To search the table that you train
# on, use `density.score_outliers(rows, folds=5)`, which scores each row by a fit that
# has not seen it.
#
# ## Categories
#
# Keep a category as a column: `FlowDensity` then gives it a probability, and the other
# columns a density that depends on it. Samples are rows of the same kind:

# %%
mixed = train.assign(kind=train_kind)
density = FlowDensity(random_state=0, max_seconds=30).fit(mixed)
drawn = density.sample(1_000, random_state=0)
pd.concat(
    {
        "data": mixed.groupby("kind").median(),
        "samples": drawn.groupby("kind").median(),
    }
).T.round(2)

# %% [markdown]
# By Bayes' rule, the more likely of the two rows tells the category of a new one:

# %%
kinds = ["benign", "malignant"]
scores = [density.score_samples(test.assign(kind=name)) for name in kinds]
print("accuracy:", np.mean(np.take(kinds, np.argmax(scores, axis=0)) == test_kind))

# %% [markdown]
# ## In scikit-learn's tools
#
# `FlowDensity` works in pipelines, in `cross_val_score` and in `GridSearchCV`. Name a
# family to fit that flow alone:

# %%
quick = FlowDensity(
    "realnvp", num_layers=4, hidden_units=(32,), max_epochs=40, random_state=0
)
cross_val_score(quick, rows, cv=3)

# %% [markdown]
# ## From the shell
#
# The same without Python: train, evaluate, sample, and score other files.
#
# ```sh
# tfflows-train    --model=nsf_table --dataset=csv:mine.csv --model_dir=runs/mine
# tfflows-evaluate --model_dir=runs/mine
# tfflows-sample   --model_dir=runs/mine --num_samples=1000 --output=samples.csv
# ```
#
# `density.flow_` is a Keras model: save it, or export it as in
# [the first tutorial](two_moons.md). Read on in [your own table](../guides/tables.md).
