"""The site: a page for each public name, formulas, tutorials that open and run."""

import ast
import json
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.py"))
TUTORIALS += [path for path in [ROOT / "docs" / "gallery.py"] if path.exists()]
NAMES = [path.stem for path in TUTORIALS]
pytestmark = pytest.mark.xdist_group("site")
# Names that raise an error of what to use instead.
GONE = re.compile(r"tfflows\.zoo\.(IAF|MAF|NICE|NSF|RealNVP)Config")


def test_every_public_name_has_a_page(site):
    public = site("public_names")
    paged = public.pages()
    have = {*public.modules(), "tfflows.zoo.experiments"}
    for module in public.modules().values():
        have |= {name.path for name in public.names(module)}
        assert all(name.thing.path in paged for name in public.names(module))
    recorded = json.loads((ROOT / "tests" / "public_api.json").read_text())
    for module, names in recorded.items():
        own = {f"{module}.{name}" for name in names if "." not in name}
        assert not {name for name in own - have if not GONE.match(name)}


def test_pages_have_addresses_of_their_own(site):
    pages = site("api_pages")
    addresses = [address.lower() for address, _ in pages.pages()]
    assert len(set(addresses)) == len(addresses)
    texts = dict(pages.pages())
    assert "FlowStep" in texts["api/bijectors/Planar.md"]
    assert "inherited_members: true" in texts["api/models/Flow.md"]


@pytest.mark.parametrize(
    ("plain", "latex"),
    [
        ("(z - b) / (1 + t) * exp(s)", r"\frac{z-b}{1+t}\cdot \exp (s)"),
        ("n ln|det W^-1|", r"n\ln \left|\det W^{-1}\right|"),
        ("log p(x|z) - q(a || b)", r"\log p(x\mid z)-q(a\parallel b)"),
        ("(dtau/dz_b)", r"\left(\frac{\partial \tau }{\partial z_{b}}\right)"),
        ("u_hat h'(a) / ||w||^2", r"\frac{\hat{u}h'(a)}{\left\|w\right\|^{2}}"),
        ("x_<i, all at once", r"x_{<i},\text{ all at once }"),
        ("log_scale(w.z)", r"\text{log_scale}(w\cdot z)"),
    ],
)
def test_plain_formulas_become_latex(site, plain, latex):
    assert site("formulas").latex(plain) == latex


def test_formulas_of_unknown_signs_are_errors(site):
    with pytest.raises(ValueError, match="expected a formula of known signs, got 'a @"):
        site("formulas").latex("a @ b")


def test_only_indented_paragraphs_are_formulas(site):
    text = (
        "Scales.\n\n  forward:  x = z\n  inverse:  z =\n            x\n\n    code()\n"
    )
    found = site("formulas").typeset(text)
    assert found.count("<tr>") == 2
    assert 'aria-label="z = x"' in found
    assert found.startswith("Scales.\n\n")
    assert found.endswith("\n\n    code()\n")


@pytest.mark.parametrize("path", TUTORIALS, ids=NAMES)
def test_tutorials_open_as_notebooks(site, path):
    pytest.importorskip("jupytext", reason="needs the extra docs")
    made = site("tutorials").notebook(path)
    assert made.cells[0].cell_type == "markdown"
    assert made.cells[0].source.startswith("# ")
    for cell in made.cells:
        if cell.cell_type == "code" and not cell.source.startswith("%%"):
            ast.parse(re.sub(r"^[%!].*", "", cell.source, flags=re.MULTILINE))
    nav = (ROOT / "mkdocs.yml").read_text()
    assert f"{path.relative_to(ROOT / 'docs').with_suffix('.md')}\n" in nav
    site("nbformat").validate(made)


@pytest.mark.large
@pytest.mark.parametrize("path", TUTORIALS, ids=NAMES)
def test_tutorials_run(site, path):
    tutorials = site("tutorials")
    made = tutorials.run(tutorials.notebook(path), path.stem)
    text, pictures = tutorials.page(made, path.stem)
    assert "```python" in text or path.stem == "gallery"
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())
    assert pictures or path.stem == "many_devices"
