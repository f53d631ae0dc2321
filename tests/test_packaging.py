"""Packaging and layering: what setup.cfg claims, and who imports whom."""

from __future__ import annotations

import ast
import collections
import configparser
import graphlib
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    not (ROOT / "zoo" / "registry.py").exists(), reason="needs the checkout"
)


def setup_cfg():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def tracked_files():
    """Those of the library as a wheel should have them: zoo/x is tfflows/zoo/x."""
    command = ["git", "ls-files", "tfflows", "zoo", "export"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("needs git's list of files")
    for name in listed.stdout.split():
        if name not in LINKS:
            yield name if name.startswith("tfflows/") else f"tfflows/{name}"


LINKS = {"tfflows/zoo": "../zoo", "tfflows/export": "../export"}


@pytest.mark.parametrize("link", LINKS)
def test_links_are_relative(link):
    assert (ROOT / link).readlink() == pathlib.Path(LINKS[link])


def test_a_wheel_holds_every_file_once_and_claims_no_other_name(tmp_path):
    builder = "from setuptools.build_meta import build_wheel; build_wheel(r'{}')"
    for top in ("tfflows", "zoo", "export"):
        shutil.copytree(ROOT / top, tmp_path / top, symlinks=True, ignore=CACHES)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    subprocess.run(
        [sys.executable, "-c", builder.format(tmp_path / "dist")],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    files = [name for name in names if ".dist-info/" not in name]
    assert sorted(files) == sorted(tracked_files())


CACHES = shutil.ignore_patterns("__pycache__")


def test_a_checkout_beside_another_imports_its_own(tmp_path):
    for top in ("tfflows", "zoo", "export"):
        shutil.copytree(ROOT / top, tmp_path / top, symlinks=True, ignore=CACHES)
    (tmp_path / "tfflows" / "__init__.py").write_text("")  # finds, imports nothing
    code = (
        "import importlib.util as u; "
        "print(*(u.find_spec(f'tfflows.{n}').origin for n in ('zoo', 'export')))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    ).stdout.split()
    assert [pathlib.Path(path).parents[2] for path in found] == [tmp_path] * 2


def test_a_checkout_without_links_says_what_to_do(tmp_path):
    (tmp_path / "tfflows").mkdir()
    shutil.copy(ROOT / "tfflows" / "__init__.py", tmp_path / "tfflows")
    shutil.copytree(ROOT / "tfflows" / "system", tmp_path / "tfflows" / "system")
    (tmp_path / "tfflows" / "zoo").write_text("../zoo")
    result = subprocess.run(
        [sys.executable, "-c", "import tfflows"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    message = "expected tfflows/zoo to be a symbolic link to ../zoo"
    assert message in result.stderr.strip().split("\n")[-1]


@pytest.mark.parametrize(
    "code",
    [
        "import tfflows.zoo; n: int = tfflows.zoo.list_models()",
        "import tfflows; n: int = tfflows.zoo.list_models()",
        "import tfflows.export.writing.lint as m; n: int = m.lint('x')",
    ],
)
def test_mypy_sees_types_of_zoo_and_export(code, tmp_path, monkeypatch):
    mypy = pytest.importorskip("mypy.api")
    monkeypatch.chdir(ROOT)
    planted = tmp_path / "planted.py"
    planted.write_text(code)
    output, _, status = mypy.run(["--config-file", "setup.cfg", str(planted)])
    assert status == 1
    assert "Incompatible types in assignment" in output


def test_the_hidden_dependencies_are_declared():
    required = setup_cfg()["options"]["install_requires"]
    names = {line.split(">")[0].split("<")[0] for line in required.split()}
    # TFP imports tf_keras and TFDS imports importlib_resources without saying so.
    assert {"tf_keras", "importlib_resources", "tensorflow"} <= names


@pytest.mark.parametrize("top", ["zoo", "export"])
def test_a_second_copy_is_refused(top):
    path = ROOT / top / "__init__.py"
    spec = importlib.util.spec_from_file_location(top, path)
    with pytest.raises(ImportError, match=f"expected .*tfflows.{top}"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_entry_points_lead_to_functions():
    scripts = setup_cfg()["options.entry_points"]["console_scripts"].split("\n")
    for script in filter(None, scripts):
        module, function = script.split("=")[1].strip().split(":")
        assert callable(getattr(importlib.import_module(module), function)), script


def imports_of(path, nodes=None):
    for node in nodes or ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_at_start(path):
    """Those that run when the file is imported."""
    nodes = [n for n in ast.parse(path.read_text()).body if is_import(n)]
    return imports_of(path, nodes) if nodes else ()


def is_import(node):
    return isinstance(node, ast.Import | ast.ImportFrom)


# What each part of tfflows may import of the others, besides itself and these leaves.
LEAVES = {"backend", "system", "metrics", "provenance"}
STEPS = {"bijectors", "distributions", "networks", "preprocessing"}
MODELS = {*STEPS, "fitting", "vae", "models"}
ALLOWED = {
    "backend": set(),
    "system": set(),
    "bijectors": set(),
    "networks": set(),
    "distributions": set(),
    "preprocessing": {"bijectors"},
    "fitting": STEPS,
    "vae": {*STEPS, "fitting"},
    "models": {*STEPS, "fitting", "vae"},
    "families": MODELS,
    "data": set(),
    "training": {"fitting", "models"},
    "latent": {"models"},
    "sklearn": {*MODELS, "families", "training"},
    "zoo": {*MODELS, "families", "training", "data", "latent", "sklearn"},
    "export": {*STEPS, "fitting", "vae", "models"},
}
# Single files that may import more. A builder is found in tfflows.models, too.
ABOVE = {
    "models.__init__": {"families"},
    "export.main": {"zoo"},
    "training.not_finite": {"bijectors"},  # it names the step inside of a Repeated
    "zoo.demo": {"export"},
}


def modules_of(part):
    """The files of a part of tfflows by their dotted names, without `tfflows.`."""
    top = ROOT / part if part in ("zoo", "export") else ROOT / "tfflows" / part
    for path in [top.with_suffix(".py"), *top.rglob("*.py")]:
        if path.exists():
            inside = path.relative_to(top.parent).with_suffix("")
            yield ".".join(inside.parts), path


@pytest.mark.parametrize("part", ALLOWED)
def test_layers(part):
    found = {}
    for module, path in modules_of(part):
        allowed = {*ALLOWED[part], *LEAVES, part, *ABOVE.get(module, ())}
        for name in imports_of(path):
            _, _, imported = name.partition("tfflows.")
            other = imported.split(".")[0]
            if other in ALLOWED and other not in allowed:
                found[module] = name
    assert not found


def test_no_folder_hides_its_files_among_many():
    files = {path for part in ALLOWED for _, path in modules_of(part)}
    numbers = collections.Counter(path.parent for path in files)
    many = {folder.name for folder, number in numbers.items() if number > 19}
    assert many == {"bijectors"}  # one step a file; `__init__` does not count


def test_no_circle_of_files():
    files = dict(file for part in ALLOWED for file in modules_of(part))
    files = {
        f"tfflows.{name.removesuffix('.__init__')}": p for name, p in files.items()
    }
    edges = {}
    for module, path in files.items():
        imported = {name for name in imports_at_start(path) if name in files}
        inside = {other for other in imported if other.startswith(f"{module}.")}
        edges[module] = imported - inside - {module}
    assert list(graphlib.TopologicalSorter(edges).static_order())


def test_flags_are_defined_in_binaries_only():
    offenders = [
        path
        for path in (ROOT / "tfflows").rglob("*.py")
        if any(name.startswith("absl.flags") for name in imports_of(path))
    ]
    # What the binaries share defines none by itself.
    assert offenders == [ROOT / "tfflows" / "system" / "command_line.py"]


def test_a_users_import_brings_all_classes_but_neither_zoo_nor_export():
    code = (
        "import sys, tfflows, keras; "
        "names = 'Flow FlowVAE AffineCoupling GatedConv TFPStep Dequantization'; "
        "found = map(keras.saving.get_registered_object, "
        "(f'tfflows>{n}' for n in names.split())); "
        "print(all(found)); "
        "above = ('tfflows.zoo', 'tfflows.export'); "
        "print([m for m in sys.modules if m.startswith(above)]); "
        "print(tfflows.zoo.__name__, tfflows.export.__name__)"
    )
    output = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout.split("\n")
    assert output[:3] == ["True", "[]", "tfflows.zoo tfflows.export"]


def test_another_backend_of_keras_is_one_sentence():
    done = subprocess.run(
        [sys.executable, "-c", "import tfflows"],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: expected Keras with the backend tensorflow")
    assert "'jax'" in last
