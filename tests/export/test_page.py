"""The page of tfflows-serve in a headless Chromium, against the live model."""

import shutil

import keras
import numpy as np
import pytest
import requests

from tests.export.servers import rest_server, served

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
    *("disable-background-networking", "disable-component-update", "disable-sync"),
)
PATIENCE = 30  # seconds
GREYS = """
return [...document.querySelectorAll(arguments[0])].map(canvas => {
  const pen = canvas.getContext("2d");
  const {data} = pen.getImageData(0, 0, canvas.width, canvas.height);
  return [...data].filter((_, i) => i % 4 === 0);
})
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    if not (CHROMIUM and DRIVER):
        pytest.skip("needs chromium and chromedriver (Debian: chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(DRIVER)
    with webdriver.Chrome(options=options, service=service) as browser:
        yield browser


class Page:
    """What a visitor does and sees."""

    def __init__(self, browser, url):
        self.browser = browser
        browser.get(url)

    def __getitem__(self, name):
        return self.browser.find_element("id", name)

    def wait(self, question):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.browser, PATIENCE, 0.05).until(lambda _: question())

    def images(self, name):
        """The greys of the images in an element."""
        return self.browser.execute_script(GREYS, f"#{name} canvas.image")

    def set(self, name, value):
        script = "arguments[0].value = arguments[1];"
        script += "arguments[0].dispatchEvent(new Event('input'))"
        self.browser.execute_script(script, self[name], str(value))

    def scores(self):
        cells = self["scores"].text.split("\n")
        return [list(map(float, line.split()[1:])) for line in cells[1:]]


@pytest.fixture
def page(browser, worker, export):
    with rest_server(served(worker, export.path.parent, "digits")) as url:
        yield Page(browser, url)
        log = browser.get_log("browser")
        assert [line for line in log if line["level"] == "SEVERE"] == []


@pytest.mark.parametrize("export", ["digits"], indirect=True)
def test_images(page, export, tmp_path):
    first = page.wait(lambda: page.images("samples"))
    assert len(np.unique(first, axis=0)) == len(first) == 28

    # Temperature 0 is one image, whatever the seeds.
    page.set("temperature", 0)
    page.wait(lambda: len(np.unique(page.images("samples"), axis=0)) == 1)
    page.set("temperature", 1)
    page.set("count", 3)
    page.wait(lambda: page.images("samples") == first[:3])

    # From the first sample to the second, then on to the third.
    page.wait(lambda: len(page.images("way")) == 9)
    assert page.images("end-a") + page.images("end-b") == first[:2]
    way = np.array(page.images("way"))
    np.testing.assert_allclose(way[[0, -1]], first[:2], atol=1)
    page.browser.find_elements("css selector", "#samples canvas")[2].click()
    page.wait(lambda: page.images("end-b") == first[2:3])
    page.wait(lambda: np.allclose(page.images("way")[-1], first[2], atol=1))
    np.testing.assert_allclose(page.images("way")[0], first[1], atol=1)

    # A picture of a digit is read as its pixels: the middles of 17 steps of 256 greys.
    live = np.asarray(export.flow.log_prob(export.data[:1]))[0]
    path = tmp_path / "digit.png"
    greys = (export.data[0] + 0.5) * 256 / 17
    keras.utils.save_img(path, greys, scale=False)
    page["file"].send_keys(str(path))
    page.wait(lambda: "log_prob" in page["scores"].text)
    assert page.scores()[0][0] == pytest.approx(live, abs=2e-3)
    page["file-a"].send_keys(str(path))
    page.wait(lambda: page.images("end-a") == page.images("scores"))

    # The same as a row of a csv file, with a header.
    path = tmp_path / "digits.csv"
    rows = export.data.reshape(5, 64)
    header = ",".join(f"p{i}" for i in range(64))
    np.savetxt(path, rows, "%d", ",", header=header, comments="")
    page["file"].send_keys(str(path))
    page.wait(lambda: page["scores"].text.count("\n") == 5)
    scores = np.array(page.scores())
    live = np.asarray(export.flow.log_prob(export.data))
    np.testing.assert_allclose(scores[:, 0], live, atol=2e-3)

    # What does not fit is said.
    page["rows"].send_keys("1, 2, 3")
    page["score"].click()
    page.wait(lambda: page["error"].text == "expected 64 finite numbers in row 1")


@pytest.mark.parametrize("export", ["plane"], indirect=True)
def test_a_plane(page, export):
    page.wait(lambda: "28 draws" in page["sampling"].text)
    assert not page["interpolation"].is_displayed()
    page["rows"].send_keys("1, 2\n-0.5; 0")
    page["score"].click()
    page.wait(lambda: "log_prob" in page["scores"].text)
    live = np.asarray(export.flow.log_prob([[1, 2], [-0.5, 0]]))
    np.testing.assert_allclose(np.array(page.scores())[:, 0], live, atol=2e-3)


def test_nothing_is_loaded_from_elsewhere(worker, scale_export):
    with rest_server(served(worker, scale_export)) as url:
        for path in ("/", "/page.css", "/page.js", "/models.json"):
            response = requests.get(url + path, timeout=10)
            assert response.ok
            assert "//" not in response.text.replace("// ", "")
