"""Packaging and layering: what setup.cfg claims, and who imports whom."""

from __future__ import annotations

import ast
import configparser
import importlib.util
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
        "import tfflows.export.lint as m; n: int = m.lint('x')",
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


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# What each package may import of the project, besides itself and the leaves.
LEAVES = {
    *("arguments", "autograph", "checkpointing", "checks", "convolution"),
    *("csv_cells", "domains", "files", "keyed_noise", "memory", "metrics"),
    *("random", "termination", "tfp_config", "tfp_copies", "tfp_variables"),
    *("xla"),
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
