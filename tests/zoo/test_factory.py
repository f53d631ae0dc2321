import h5py
import keras
import numpy as np
import pytest

from tfflows import zoo
from tfflows.families.parts.stacking import copy_weights

TINY = {"num_couplings": 4, "hidden_units": (4,)}
X = np.random.default_rng(0).standard_normal((5, 2)).astype("float32")


@pytest.fixture(scope="module")
def tiny():
    model = zoo.create("realnvp_two_moons", **TINY)
    model.initialize(X)
    return model


def same(one, other):
    return np.allclose(one.log_prob(X), other.log_prob(X), atol=1e-6)


def test_overrides_reach_the_model(tiny):
    dotted = {f"model.{k}": v for k, v in TINY.items()}
    assert (
        tiny.count_params() == zoo.create("realnvp_two_moons", **dotted).count_params()
    )
    assert tiny.count_params() < zoo.create("realnvp_two_moons").count_params()


def test_dimensions_of_a_table():
    assert zoo.create("realnvp_table", event_shape=(3,), **TINY).event_shape == (3,)
    digits = zoo.create("nice_table", event_shape=(4, 4, 1), levels=17, **TINY)
    assert digits.levels == 17
    with pytest.raises(zoo.ConfigError, match="give event_shape="):
        zoo.create("realnvp_table")


def test_unknown_and_ill_typed_overrides():
    with pytest.raises(zoo.ConfigError, match=r"did you mean model.num_couplings"):
        zoo.create("realnvp_digits", num_coupling=4)
    with pytest.raises(zoo.ConfigError, match=r"expected int for model.num_couplings"):
        zoo.create("realnvp_digits", num_couplings="four")


@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
@pytest.mark.parametrize("compiled", [False, True])
def test_weights_from_a_file(tiny, tmp_path, ending, compiled):
    path = tmp_path / f"tiny{ending}"
    if compiled:
        tiny.compile("adam")
        tiny.fit(X, verbose=0)
    tiny.save_weights(path) if ending == ".weights.h5" else tiny.save(path)
    loaded = zoo.create("realnvp_two_moons", weights=path, **TINY)
    assert same(loaded, tiny)
    assert loaded.is_initialized


@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
@pytest.mark.parametrize("couplings", [1, 3])
def test_weights_of_another_model(tiny, tmp_path, ending, couplings):
    path = tmp_path / f"tiny{ending}"
    tiny.save_weights(path) if ending == ".weights.h5" else tiny.save(path)
    with pytest.raises(ValueError, match="expected weights of realnvp_two_moons in"):
        zoo.create(
            "realnvp_two_moons",
            weights=path,
            num_couplings=couplings,
            hidden_units=(4,),
        )


@pytest.mark.parametrize("ending", [".weights.h5", ".keras", ".txt"])
def test_unreadable_weights(tmp_path, ending):
    path = tmp_path / f"junk{ending}"
    path.write_bytes(b"junk")
    with pytest.raises(ValueError, match="expected weights of realnvp_two_moons in"):
        zoo.create("realnvp_two_moons", weights=path)


def test_a_foreign_keras_file(tmp_path):
    path = tmp_path / "foreign.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(path)
    with pytest.raises(ValueError, match="expected weights of realnvp_two_moons in"):
        zoo.create("realnvp_two_moons", weights=path)


def test_weights_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        zoo.create("realnvp_digits", weights=tmp_path / "none.weights.h5")
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        zoo.create("realnvp_digits", weights=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        zoo.load(tmp_path)
    with pytest.raises(zoo.ConfigError, match=r"these have them: .*realnvp_digits"):
        zoo.create("nice_mnist", weights="pretrained")


def test_pretrained_weights_fit_the_registered_model_only():
    with pytest.raises(zoo.ConfigError, match=r"model.log_scale: 'exp' and 'tanh'"):
        zoo.create("realnvp_digits", weights="pretrained", log_scale="exp")


@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
@pytest.mark.parametrize("stacked", [True, False])
def test_weights_of_steps_that_are_not_stacked_fit_those_that_are(
    tiny, tmp_path, ending, stacked
):
    other = zoo.create("realnvp_two_moons", stacked=stacked, **TINY)
    copy_weights(tiny, other)
    path = tmp_path / f"other{ending}"
    other.save_weights(path) if ending == ".weights.h5" else other.save(path)
    arguments = {**TINY, "stacked": not stacked}
    assert same(zoo.create("realnvp_two_moons", weights=path, **arguments), tiny)


def test_a_weight_file_of_version_0_1_with_the_pattern_of_a_stack(tiny, tmp_path):
    path = tmp_path / "old.weights.h5"
    tiny.save_weights(path)
    with h5py.File(path, "a") as file:
        file["bijector/steps/repeated/step/steps/dense/vars/0"] = np.ones(3)
    assert same(zoo.create("realnvp_two_moons", weights=path, **TINY), tiny)
