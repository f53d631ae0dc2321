"""What is written whole or not at all, whoever is killed, and what else lies there."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tfflows.export import versions
from tfflows.export.versions import put_in_place, reserved_version
from tfflows.system import files, locks
from tfflows.system.csv_cells import csv_line, warn_of_formulas

# The work in children needs no TensorFlow, see `killed_at`.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
CALLS = ["fsync", "replace", "rename", "mkdir", "rmdir", "unlink"]


def killed_at(call, number, work):
    """Runs `work` in a process that is killed at its n-th call of a function of os.

    Only for work that needs no TensorFlow, whose threads a fork does not take along.

    Returns:
      Whether it was killed; else the work was done.
    """
    child = os.fork()
    if not child:
        real, left = getattr(os, call), number

        def counted(*args, **kwargs):
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        try:
            setattr(os, call, counted)
            work()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def scratches(folder):
    return [name for name in os.listdir(folder) if name.startswith(files.SCRATCH)]


@pytest.mark.parametrize("call", CALLS)
def test_killed_while_writing_a_file(tmp_path, call):
    place, old, new = tmp_path / "x.json", {"v": 1}, {"v": 2}
    files.write_json(place, old)
    number = 1
    while killed_at(call, number, lambda: files.write_json(place, new)):
        assert files.read_json(place) in (old, new)
        files.write_json(place, old)
        assert os.listdir(tmp_path) == ["x.json"]
        number += 1
    assert files.read_json(place) == new


@pytest.mark.parametrize("call", CALLS)
def test_killed_while_writing_a_version(tmp_path, call):
    def export():
        with reserved_version(tmp_path, [tmp_path], None) as (version, folder):
            (folder / "0").mkdir()
            (folder / "0" / "saved_model.pb").write_text(str(version))
            put_in_place(folder / "0", tmp_path / str(version))

    number = 1
    while killed_at(call, number, export):
        export()
        versions = sorted(os.listdir(tmp_path), key=int)  # no litter
        assert versions == [str(i + 1) for i in range(len(versions))]
        for version in versions:
            assert (tmp_path / version / "saved_model.pb").read_text() == version
        number += 1


def test_a_sweep_leaves_what_is_alive_or_not_ours(tmp_path):
    (tmp_path / ".tmp_others").mkdir()
    (tmp_path / f"{files.SCRATCH}file").write_text("a file")
    with files.scratch(tmp_path) as alive:
        (alive / "half").write_text("half")
        assert (
            killed_at("rmdir", 1, lambda: locks.sweep(tmp_path, files.SCRATCH)) is False
        )
        assert (alive / "half").exists()
        assert (tmp_path / ".tmp_others").exists()
    assert not alive.exists()


def test_several_exports_at_once_have_versions_of_their_own(tmp_path):
    (tmp_path / "4").mkdir()
    with (
        reserved_version(tmp_path, [tmp_path], None) as (first, _),
        reserved_version(tmp_path, [tmp_path], None) as (second, folder),
    ):
        assert (first, second) == (5, 6)
        with (
            pytest.raises(FileExistsError, match="another process is writing"),
            reserved_version(tmp_path, [tmp_path], 5),
        ):
            pass
        (folder / "0").mkdir()
        put_in_place(folder / "0", tmp_path / "6")
    assert sorted(os.listdir(tmp_path)) == ["4", "6"]


@pytest.mark.parametrize("name", ["a[1]", "a*", "a?", "a\\b"])
def test_an_export_that_others_could_not_load_is_refused_before(tmp_path, name):
    with (
        pytest.raises(ValueError, match="take such a path for a pattern"),
        reserved_version(tmp_path / name, [tmp_path / name], None),
    ):
        pass
    assert not os.listdir(tmp_path)


def test_a_lock_names_its_holder_and_goes_with_it(tmp_path):
    place = tmp_path / ".lock"
    with locks.lock(place, "me") as none, locks.lock(place, "you") as holder:
        assert (none, holder) == (None, "me")
    assert not place.exists()

    def hold():
        with locks.lock(place, "a process that is killed"):
            os.kill(os.getpid(), signal.SIGKILL)

    assert killed_at("mkdir", 99, hold)
    assert place.read_text() == "a process that is killed"
    with locks.lock(place, "me") as holder:
        assert holder is None
        assert place.read_text() == "me"


BAD_JSON = {
    "empty": (b"", "got: an empty file"),
    "cut": (b'{"a": ', "Expecting value"),
    "bytes": (b"\xff\xfe\x00", "codec"),
    "deep": (b"[" * 100_000, "recursion"),
    "deep_object": (b'{"a":' * 100_000, "recursion"),
    "nan": (b'{"a": NaN}', "NaN, which JSON has not"),
    "twins": (b'{"a": 1, "a": 2}', "the key 'a' twice"),
    "huge": (b'{"a": ' + b"9" * 5000 + b"}", "integer string conversion"),
    "list": (b"[1]", r"expected a JSON object in .*x\.json, got \[1\]"),
    "null": (b"null", "expected a JSON object"),
}


@pytest.mark.parametrize(("content", "message"), BAD_JSON.values(), ids=BAD_JSON)
def test_broken_json_is_an_error_that_names_the_file(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        files.read_json(path)
    assert str(path) in str(error.value)


def test_json_with_a_byte_order_mark(tmp_path):
    (tmp_path / "x.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({"a": 1}).encode())
    assert files.read_json(tmp_path / "x.json") == {"a": 1}


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "real" / "x.json")
    files.write_json(tmp_path / "link.json", {"a": 1})
    assert (tmp_path / "link.json").is_symlink()
    assert files.read_json(tmp_path / "real" / "x.json") == {"a": 1}


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a folder to write to, got .*/no"):
        files.write_text(tmp_path / "no" / "x.txt", "")


def test_names_that_are_there_are_no_patterns(tmp_path, monkeypatch):
    import glob

    folder = tmp_path / "a[1]?"
    folder.mkdir()
    (folder / "x[2].csv").write_text("")
    (tmp_path / "a1b").mkdir()
    (tmp_path / "a1b" / "y.csv").write_text("")
    monkeypatch.chdir(tmp_path)
    for pattern in ("a[1]?/x[2].csv", "a[1]?/*.csv", f"{folder}/*.csv"):
        assert glob.glob(files.pattern_of(pattern)) == [str(folder / "x[2].csv")]
    assert glob.glob(files.pattern_of("a1*/*.csv")) == ["a1b/y.csv"]
    assert files.pattern_of("no[1]/*.csv") == "no[1]/*.csv"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.pattern_of("~/a1b/y.csv") == str(tmp_path / "a1b" / "y.csv")


def test_cells_are_quoted_and_formulas_named(capsys):
    assert csv_line(["x,1", 'say "a"', "-1.5", 2.0]) == '"x,1","say ""a""",-1.5,2.0'
    warn_of_formulas("x.csv", ["a", "-1.5", "+3e-2", "x=1"])
    assert not capsys.readouterr().err
    for cell in ("=cmd()", "+cmd", "-cmd", "-1+cmd()", "@cmd", "\t=cmd", "-"):
        warn_of_formulas("x.csv", ["a", cell])
        assert repr(cell) in capsys.readouterr().err


def test_a_version_that_was_finished_between_two_looks(tmp_path, monkeypatch):
    (tmp_path / "1").mkdir()
    looks, real = [[]], versions._existing  # another process finishes 1 after a look
    monkeypatch.setattr(
        versions, "_existing", lambda folders: looks.pop() if looks else real(folders)
    )
    looks.append([])
    with reserved_version(tmp_path, [tmp_path], None) as (version, _):
        assert version == 2
