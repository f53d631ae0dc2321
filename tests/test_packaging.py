"""Packaging and layering: what setup.cfg claims, and who imports whom."""

from __future__ import annotations

import ast
import configparser
import fnmatch
import importlib.util
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    not (ROOT / "zoo" / "registry.py").exists(), reason="needs the checkout"
)


def setup_cfg():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def name_of(folder):
    parts = folder.relative_to(ROOT).parts
    return ".".join(parts if parts[0] == "tfflows" else ("tfflows", *parts))


def package_folders():
    for top in ("tfflows", "zoo", "export"):
        yield from (init.parent for init in (ROOT / top).rglob("__init__.py"))


def test_every_package_stands_in_setup_cfg():
    listed = setup_cfg()["options"]["packages"].split()
    assert sorted(listed) == sorted(map(name_of, package_folders()))


def test_files_beside_the_modules_are_package_data():
    listed = setup_cfg()["options.package_data"]
    for top in ("tfflows", "zoo", "export"):
        patterns = listed.get(name_of(ROOT / top), "").replace(",", " ").split()
        for path in (ROOT / top).rglob("*"):
            if path.is_dir() or path.suffix in (".py", ".pyc"):
                continue
            file = path.relative_to(ROOT / top).as_posix()
            assert any(fnmatch.fnmatch(file, p) for p in patterns), path


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


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# What each package may import of the project, besides itself and the leaves.
LEAVES = {
    *("autograph", "checks", "checkpointing", "convolution", "keyed_noise", "memory"),
    *("metrics", "random", "tfp_config", "xla"),
}
STEPS = {"bijectors", "distributions", "networks", "preprocessing"}
ALLOWED = {
    "tfflows.bijectors": set(),
    "tfflows.networks": set(),
    "tfflows.distributions": set(),
    "tfflows.preprocessing": {"bijectors"},
    "tfflows.models": STEPS,
    "tfflows.data": {"models"},
    "tfflows.training": {"models"},
    "tfflows.zoo": {*STEPS, "models", "training", "data", "latent", "export"},
    "tfflows.export": {"models"},
}
# Binaries and the demo stand above everything.
ABOVE = {"export.main": {"zoo"}}


@pytest.mark.parametrize("package", ALLOWED)
def test_layers(package):
    folder = ROOT / package.removeprefix("tfflows.")
    folder = folder if folder.exists() else ROOT / package.replace(".", "/")
    found = {}
    for path in folder.rglob("*.py"):
        module = f"{package.split('.')[-1]}.{path.stem}"
        own = package.split(".")[1]
        allowed = {*ALLOWED[package], *LEAVES, own, *ABOVE.get(module, ())}
        for name in imports_of(path):
            parts = name.split(".")
            if parts[0] != "tfflows" or len(parts) < 2:
                continue
            if parts[1] not in allowed and (ROOT / "tfflows" / parts[1]).exists():
                found[path.name] = name
            if parts[1] in ("zoo", "export") and parts[1] not in allowed:
                found[path.name] = name
    assert not found


@pytest.mark.parametrize(
    ("module", "allowed"),
    [("latent", {"models"}), ("sklearn", {"models", "training"})],
)
def test_layers_of_single_modules(module, allowed):
    names = imports_of(ROOT / "tfflows" / f"{module}.py")
    parts = [name.split(".") for name in names if name.startswith("tfflows.")]
    assert {part[1] for part in parts} <= allowed | LEAVES


def test_flags_are_defined_in_binaries_only():
    offenders = [
        path
        for path in (ROOT / "tfflows").rglob("*.py")
        if any(name.startswith("absl.flags") for name in imports_of(path))
    ]
    assert not offenders


def test_the_library_is_imported_without_zoo_and_export():
    code = (
        "import sys, tfflows; "
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
    assert output[:2] == ["[]", "tfflows.zoo tfflows.export"]
