"""Pages in a real browser, alone in a folder: what is clicked, sorted, copied, printed and read aloud."""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tablewright.orchestrator.declared.design import Row
from tablewright.orchestrator.store.store import Store
from tablewright.orchestrator.store.training_folder import PNG
from tablewright.reports.table_files import write_tables
from tablewright.trainables.contract.run import EpochReport
from tablewright.trainables.contract.view import ViewResult
from tests.reports.every_state import HOSTILE
from tests.reports.tiny_study import (
    DUKE,
    MARKET,
    depth_row,
    make_ablation,
    plan_of,
    record_failure,
    record_value,
    seeds_of,
)

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here"),
]

GROUPED = [
    depth_row(2, group="shallow"),
    depth_row(3, group="shallow", published={"Market-1501": {"map": 0.91}}),
    Row("depth 4", {"depth": 4}, group="deep"),
    Row(HOSTILE, {"depth": 5}, group="deep"),
]
VALUES = {
    "depth 2": seeds_of([0.811, 0.812, 0.816], [0.91, 0.92, 0.93]),
    "depth 3": seeds_of([0.911, 0.912, 0.917], [0.93, 0.94, 0.95]),
    "depth 4": seeds_of([0.861, 0.852, 0.857], [0.95, 0.96, 0.97]),
}


def write_study(folder: Path) -> None:
    """Record two tables with curves, items, a picture that both show and a failure, and write their files."""
    plan = plan_of(
        make_ablation(GROUPED, datasets=[MARKET, DUKE]),
        make_ablation([depth_row(2), depth_row(3)], name="again", caption="The same again"),
    )
    store = Store(str(folder))
    queries = np.array([f"query/{number:04}.jpg" for number in range(5)])
    for row, values in VALUES.items():
        record_value(store, plan, row, {"Market-1501": values, "DukeMTMC-reID": values})
    for cell in plan.cells:
        if cell.row in VALUES:
            of_seed = VALUES[cell.row][cell.seed]
            training = store.training(cell.training_id)
            training.write_epochs(
                [EpochReport(epoch, 3, {"loss": 4.0 / epoch + cell.seed}, 1.0) for epoch in (1, 2, 3)]
            )
            training.write_pictures({"attention": PNG + b"what it attends to"})
            view = plan.trainings[cell.training_id].views[cell.view_id].view
            precision = of_seed["map"] + 0.01 * np.arange(5) * (1 if cell.row == "depth 3" else -1)
            items = {"query": queries, "average_precision": precision}
            training.write_measurement(view, cell.view_id, ViewResult(of_seed, items, "queries"))
    record_failure(store, plan, HOSTILE, 0, f"RuntimeError: loss is NaN in {HOSTILE}")
    store.root.write("mlflow.html", b"leads to a run")
    write_tables(plan, store)


@dataclass
class Opened:
    """A page in a browser, with what it asked for and complained of.

    Attributes:
        page: playwright's.
        asked: addresses that anything was loaded from.
        complaints: errors and warnings of the console.
    """

    page: Any
    asked: list[str] = field(default_factory=list[str])
    complaints: list[str] = field(default_factory=list[str])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a study's tables."""
    store = tmp_path_factory.mktemp("store")
    write_study(store)
    return store / "tables"


@pytest.fixture(scope="module")
def browser() -> Generator[Any]:
    """Start the browser, once."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield started
        started.close()


@pytest.fixture
def opened(browser: Any, folder: Path, tmp_path: Path) -> Generator[Opened]:
    """Open the page of the study, alone in a folder as if it had been mailed; it must have loaded nothing else."""
    alone = tmp_path / "mailed.html"
    shutil.copy(folder / "tiny/index.html", alone)
    yield from open_page(browser, alone)


def open_page(browser: Any, file: Path) -> Generator[Opened]:
    """Open a file, and hold it to be silent."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    found = Opened(context.new_page())
    found.page.on("request", lambda request: found.asked.append(request.url))
    found.page.on("console", lambda message: found.complaints.append(f"{message.type}: {message.text}"))
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.goto(file.as_uri())
    yield found
    assert [] == found.complaints
    assert [file.as_uri()] == [url for url in found.asked if not url.startswith("data:")]
    context.close()


def labels(opened: Opened, table: str = "depth") -> list[str]:
    """Read the labels of the visible rows, from top to bottom."""
    return opened.page.locator(f"#{table} .of-grid tbody tr:not(.head) th:visible").all_inner_texts()


def open_cell(opened: Opened, row: str, text: str) -> Any:
    """Click on the first value of a row, and give what opens."""
    found = opened.page.locator("#depth .of-grid tbody tr", has_text=row).first
    found.get_by_role("button", name=text).first.click()
    return opened.page.locator("dialog[open]")


def test_a_column_sorts_its_rows(opened: Opened):
    """Highest first, then lowest, then as declared; rows without a value come last, each under its group's name."""
    declared = ["depth 2", "depth 3", "depth 4", HOSTILE]
    assert declared == labels(opened)
    head = opened.page.locator("#depth thead th button", has_text="mAP").first
    head.click()
    assert ["shallow / depth 3", "deep / depth 4", "shallow / depth 2", f"deep / {HOSTILE}"] == labels(opened)
    assert "descending" == opened.page.locator("#depth th[aria-sort]").get_attribute("aria-sort")
    head.press("Enter")
    assert ["shallow / depth 2", "deep / depth 4", "shallow / depth 3", f"deep / {HOSTILE}"] == labels(opened)
    assert "Sorted by mAP ↑, lowest first." == opened.page.locator("#depth .said").inner_text()
    head.click()
    assert declared == labels(opened)


def test_rows_are_filtered_and_columns_chosen(opened: Opened):
    """Rows that do not have the words, and columns of metrics that are not wanted, are not shown."""
    opened.page.get_by_label("Show rows that contain").first.fill("DEEP 4")
    assert ["depth 4"] == labels(opened)
    opened.page.get_by_label("Show rows that contain").first.fill("")
    heads = opened.page.locator("#depth thead tr:last-child th:visible")
    assert 10 == heads.count()  # of two data sets, with differences, and the paper's mAP of one
    opened.page.locator("#depth").get_by_label("Rank-1").uncheck()
    assert ["depth", "mAP ↑", "Δ", "paper", "mAP ↑", "Δ"] == heads.all_inner_texts()
    assert ["3", "2"] == [
        spanner.get_attribute("colspan") for spanner in opened.page.locator("#depth th.spanner:visible").all()
    ]
    opened.page.locator("#depth").get_by_label("differences").uncheck()
    assert ["depth", "mAP ↑", "paper", "mAP ↑"] == heads.all_inner_texts()


def test_a_table_is_copied_as_its_files_have_it(opened: Opened, folder: Path):
    """LaTeX and Markdown are those of the files; CSV is what is printed, group and data set included."""
    for name, ending in (("LaTeX", "tex"), ("Markdown", "md")):
        opened.page.locator("#depth").get_by_role("button", name=f"Copy {name}").click()
        opened.page.get_by_text(f"{name} copied.").wait_for()
        copied = opened.page.evaluate("navigator.clipboard.readText()")
        assert (folder / f"tiny/depth.{ending}").read_text(encoding="utf-8") == copied
    opened.page.locator("#depth").get_by_role("button", name="Copy CSV").click()
    opened.page.get_by_text("CSV copied.").wait_for()
    lines = opened.page.evaluate("navigator.clipboard.readText()").splitlines()
    assert lines[0].startswith("group,depth,Market-1501 mAP ↑,Market-1501 mAP paper,Market-1501 Rank-1 ↑")
    assert lines[1].startswith("shallow,depth 2,81.3 ± 0.3,,92.0 ± 1.0,81.3 ± 0.3")


def test_a_browser_without_a_clipboard_copies_too(opened: Opened):
    """A file that is given no clipboard is copied from as any selection is."""
    opened.page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    opened.page.locator("#depth").get_by_role("button", name="Copy Markdown").click()
    opened.page.get_by_text("Markdown copied.").wait_for()


def test_a_cell_opens_what_is_behind_it(opened: Opened):
    """Seeds with values, where and when they ran, the config beside the reference's, curves, items and commands."""
    panel = open_cell(opened, "depth 3", "91.3")
    text = panel.inner_text()
    for part in (
        "depth 3 · Market-1501 · mAP",
        "minus “shallow / depth 2” +10.033",
        "Config beside that of “shallow / depth 2”",
        "5 items: 5 better than in “shallow / depth 2”, 0 worse",
        "python sweep.py tiny/depth --datasets Market-1501 --seeds 0,1,2",
        "tablewright.training_id",
    ):
        assert part in text, part
    trainings = (
        panel.get_by_role("table", name="Trainings of this cell").locator("tbody tr").all_inner_texts()
    )
    first = ["0", "91.100", "done", "somewhere", "cpu", "2026-01-02 03:04:05 UTC", "2 s", "1"]
    assert first == trainings[0].split("\t")[: len(first)]
    assert ["91.100", "91.200", "91.700"] == [line.split("\t")[1] for line in trainings]
    identity = re.fullmatch(
        r"../../mlflow.html#([0-9a-f]{64})", panel.get_by_text("run of ").first.get_attribute("href")
    )[1]
    assert trainings[0].split("\t")[-1] == identity[:8]
    changes = panel.locator("table.changes tbody tr").all_inner_texts()
    assert ["depth\t2\t3"] == changes
    panel.locator(".chart svg").first.hover(position={"x": 200, "y": 100})
    assert re.search(r"epoch \d: .*seed 0 \d", panel.inner_text())
    opened.page.keyboard.press("Escape")
    assert 0 == opened.page.locator("dialog[open]").count()
    assert "91.3 ± 0.3" == opened.page.evaluate("document.activeElement.textContent")


def test_a_failed_cell_says_why_and_how_to_try_again(opened: Opened):
    """The failure stands in its panel and above all tables as text, whatever it holds."""
    message = f"RuntimeError: loss is NaN in {HOSTILE}"
    assert message in opened.page.locator(".holes").inner_text()
    panel = open_cell(opened, HOSTILE, "failed")
    assert message in panel.inner_text()
    assert "--retry " in panel.inner_text()
    assert "failed" in panel.locator("tbody tr").first.inner_text()


def test_a_chart_of_the_rows_opens_their_cells(opened: Opened):
    """Each row's seeds are drawn when they are asked for; a row is opened from the keyboard."""
    opened.page.locator("#depth details.chart summary").click()
    row = opened.page.locator("#depth .chart svg g[role=button]").nth(1)
    assert "shallow / depth 3: seed 0 91.100, seed 1 91.200, seed 2 91.700" == row.get_attribute("aria-label")
    row.press("Enter")
    assert "depth 3 · Market-1501 · mAP" in opened.page.locator("dialog[open] h2").inner_text()


def test_nothing_is_cut_and_the_labels_stay(opened: Opened):
    """At 1,280 px every column is seen; on a phone the label stays where it is while the others pass beneath it."""
    is_cut = "[...document.querySelectorAll('.scroll')].some(e => e.scrollWidth > e.clientWidth + 1)"
    assert not opened.page.evaluate(is_cut)
    opened.page.set_viewport_size({"width": 390, "height": 800})
    widths = "[document.documentElement.scrollWidth, innerWidth]"
    inside, window = opened.page.evaluate(widths)
    assert inside <= window
    label = opened.page.locator("#depth .of-grid tbody th[scope=row]").first
    before = label.bounding_box()
    opened.page.locator("#depth .scroll").first.evaluate("element => element.scrollTo(400, 0)")
    assert before == label.bounding_box()
    assert before["width"] < 390 / 2
    open_cell(opened, "depth 3", "91.3")
    inside, window = opened.page.evaluate(widths)
    assert inside <= window


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_keeps_the_rules_of_accessibility(opened: Opened, scheme: str):
    """axe finds nothing, with all lists open, with a cell open, and in either colours."""
    from axe_playwright_python.sync_playwright import Axe

    opened.page.emulate_media(color_scheme=scheme)
    opened.page.evaluate("document.querySelectorAll('details').forEach(list => (list.open = true))")
    for opens in (False, True):
        if opens:
            open_cell(opened, "depth 3", "91.3")
        found = Axe().run(opened.page).response["violations"]
        assert [] == [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found]


def test_a_picture_that_two_tables_show_is_there_once(opened: Opened):
    """The second table leads to it."""
    assert 1 == opened.page.locator("img[alt^=Attention]").count()
    opened.page.locator("#again .seen a", has_text="attention").click()
    assert "#depth-figure-attention" == opened.page.evaluate("location.hash")


def test_a_printed_page_shows_each_table_whole(opened: Opened):
    """Tools and closed lists are left out; each table with its notes stands on one page, a wide one on its side."""
    pdf = opened.page.pdf(prefer_css_page_size=True)
    assert 2 <= max(int(count) for count in re.findall(rb"/Count (\d+)", pdf)) <= 5  # with figures
    boxes = re.findall(rb"/MediaBox \[\S+ \S+ (\S+?) (\S+?)]", pdf)
    assert {(595, 842), (842, 595)} == {(round(float(wide)), round(float(high))) for wide, high in boxes}
    opened.page.emulate_media(media="print")
    assert 0 == opened.page.locator(".tools:visible, details.numbers:visible, .files:visible").count()
    assert {"avoid"} == set(
        opened.page.locator(".whole").evaluate_all("all => all.map(one => getComputedStyle(one).breakInside)")
    )


def test_all_studies_are_one_file(browser: Any, folder: Path, tmp_path: Path):
    """The page of all studies, alone in a folder, opens cells whose links lead through the folder of their study."""
    alone = tmp_path / "all.html"
    shutil.copy(folder / "index.html", alone)
    for opened in open_page(browser, alone):
        opened.page.locator("#tiny-depth a[data-cell]").first.click()
        link = opened.page.locator("dialog[open] a", has_text=re.compile("^[0-9a-f]{8}$")).first
        assert re.fullmatch(r"tiny/\.\./\.\./trainings/[0-9a-f]{64}/record\.json", link.get_attribute("href"))


def test_a_page_is_read_without_its_script(browser: Any, folder: Path):
    """Where no script runs, the list below a table has what a click would show, host and time included."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "tiny/index.html").as_uri())
    page.locator("#depth details.numbers summary").click()
    text = page.locator("#depth details.numbers").inner_text()
    assert "mAP: 3 of 3 seeds; mean 91.333;" in text
    assert "done, somewhere, cpu, 2026-01-02 03:04 UTC, 2.0 s, 1 attempt" in text
    context.close()
