"""Versions that come and go: found, swapped, drained; toy models count their uses."""

import shutil
import threading
import time
from typing import ClassVar

import pytest

from tfflows.export.serving.served_model import ServedModel, VersionNotFoundError


class Toy:
    """A loaded version; closed models must not be used."""

    signatures: ClassVar = {}

    def __init__(self, path):
        self.path, self.closed = path, False

    def close(self):
        assert not self.closed
        self.closed = True


class Loader:
    def __init__(self):
        self.models = []

    def __call__(self, path):
        with open(f"{path}/saved_model.pb") as file:
            if file.read() == "bad":
                raise RuntimeError("cannot load")
        self.models.append(Toy(path))
        return self.models[-1]


@pytest.fixture
def load():
    return Loader()


@pytest.fixture
def model(tmp_path, load):
    return ServedModel("mine", tmp_path, load)


def write(folder, version, text="good"):
    path = folder / str(version)
    path.mkdir(exist_ok=True)
    (path / "saved_model.pb").write_text(text)
    return path


def look(model):
    model.poll()
    model.poll()


def states(model):
    return {version: state for version, (state, _) in model.status().items()}


def test_the_newest_version_is_served(model, tmp_path, caplog):
    for version in (1, 10, 9):
        write(tmp_path, version)
    for other in ("11x", "012", ".tmp_3", "²", "1" * 40):
        write(tmp_path, other)
    (tmp_path / "12").touch()  # a file
    look(model)
    assert model.version == 10
    with model.use() as latest, model.use(10) as same:
        assert latest is same
    assert states(model) == {10: "AVAILABLE"}
    said = [message.split(" version 10 ")[0] for message in caplog.messages]
    assert said == ["loading", "serving"]


def test_no_version(model, tmp_path):
    look(model)
    with pytest.raises(VersionNotFoundError, match=r"Latest\(mine\)"), model.use():
        pass
    with pytest.raises(VersionNotFoundError, match="Could not find any versions"):
        model.status()
    shutil.rmtree(tmp_path)
    look(model)
    assert model.version is None


def test_a_version_that_is_still_written_to_waits(model, tmp_path):
    path = write(tmp_path, 1)
    model.poll()
    (path / "variables").mkdir()
    (path / "variables" / "data").write_text("1")
    model.poll()
    (path / "variables" / "data").write_text("12")
    model.poll()
    assert model.version is None
    model.poll()
    assert model.version == 1


def test_a_folder_without_a_saved_model_is_no_version(model, tmp_path):
    write(tmp_path, 1)
    (tmp_path / "2" / "variables").mkdir(parents=True)
    look(model)
    assert model.version == 1
    write(tmp_path, 2)
    look(model)
    assert model.version == 2


def test_the_old_version_is_freed_after_its_last_request(model, tmp_path, load):
    write(tmp_path, 1)
    look(model)
    with model.use() as old:
        write(tmp_path, 2)
        look(model)
        assert states(model) == {2: "AVAILABLE", 1: "UNLOADING"}
        with model.use() as new:
            assert new is load.models[1]
        with pytest.raises(VersionNotFoundError, match=r"Specific\(mine, 1\)"):
            model.use(1).__enter__()
        assert not old.closed
    assert old.closed
    assert states(model) == {2: "AVAILABLE", 1: "END"}
    model.close()
    assert load.models[1].closed


def test_a_version_that_does_not_load_changes_nothing(model, tmp_path, load):
    write(tmp_path, 1)
    look(model)
    write(tmp_path, 2, "bad")
    look(model)
    look(model)
    assert model.version == 1
    assert model.status(2) == {2: ("END", "cannot load")}
    write(tmp_path, 2, "mended")
    look(model)
    assert model.version == 2
    assert len(load.models) == 2


def test_a_served_version_that_is_deleted_serves_on(model, tmp_path, load):
    path = write(tmp_path, 1)
    look(model)
    path.joinpath("saved_model.pb").unlink()
    look(model)
    shutil.rmtree(tmp_path)
    look(model)
    with model.use(1) as served:
        assert not served.closed
    assert len(load.models) == 1


def test_when_the_newest_version_is_deleted_the_one_before_is_served(model, tmp_path):
    write(tmp_path, 1)
    path = write(tmp_path, 2)
    look(model)
    shutil.rmtree(path)
    look(model)
    assert states(model) == {2: "END", 1: "AVAILABLE"}


def test_writing_into_the_served_version_changes_nothing(model, tmp_path, load):
    write(tmp_path, 1)
    path = write(tmp_path, 2)
    look(model)
    for text in ("a", "ab"):
        (path / "notes").write_text(text)
        model.poll()
    look(model)
    assert model.version == 2
    assert len(load.models) == 1


def test_no_request_is_dropped_while_versions_change(model, tmp_path, load):
    write(tmp_path, 1)
    look(model)
    failures, uses, stop = [], [], threading.Event()

    def ask():
        while not stop.is_set():
            with model.use() as served:
                time.sleep(0.0001)
                (failures if served.closed else uses).append(served.path)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for version in range(2, 12):
        write(tmp_path, version)
        look(model)
        time.sleep(0.005)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(set(uses)) > 5
    assert [toy.closed for toy in load.models] == [True] * 10 + [False]
