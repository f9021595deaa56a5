"""HTML pages: complete, self-contained and safe."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tablewright.orchestrator.store.store import Store
from tablewright.reports.figures.figures import Figure
from tablewright.reports.page.embedded_pictures import PAGE_LIMIT_BYTES, EmbeddedPictures
from tablewright.reports.page.html import to_html
from tablewright.reports.page.page_template import page_script
from tablewright.reports.page.studies_page import ListedStudy, studies_to_html
from tablewright.reports.table_files import write_tables
from tests.reports.every_state import HOSTILE, every_state_plan, record_every_state
from tests.reports.snapshot import check_snapshot

VOID = {"meta", "br", "link", "img"}


class Page(HTMLParser):
    """Collects what a page holds, and insists that every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open[-1:] == ["script"] else self.text).append(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in every state, its tables written."""
    made = tmp_path_factory.mktemp("every_state")
    plan, store = every_state_plan(), Store(str(made))
    record_every_state(store, plan)
    write_tables(plan, store)
    return made


def pages(folder: Path) -> list[str]:
    """The page of a table, of its study and of all studies."""
    table = write_tables(every_state_plan(), Store(str(folder)), writes=False).tables[0].table
    return [
        to_html(table),
        *((folder / name / "index.html").read_text() for name in ("tables/tiny", "tables")),
    ]


@pytest.mark.slow
def test_page_is_as_it_was_read(folder: Path):
    """The body of a table's page stands as it stood."""
    page = pages(folder)[0]
    check_snapshot("every_state.html", page[page.index("<body>") : page.index("<script>")])


@pytest.mark.slow
def test_user_text_is_never_markup(folder: Path):
    """A label that holds a script is printed, not run, nor does it end what is embedded; every element is closed."""
    for text, num_embedded in zip(pages(folder), (0, 1, 1), strict=True):
        page = Page(text)
        assert [] == page.open
        assert num_embedded + 1 == page.tags.count("script") == len(page.scripts)
        assert page_script() == page.scripts[-1].strip("\n") + "\n"
        for facts in page.scripts[:-1]:
            assert HOSTILE in json.loads(facts)["tables"]["depth"]["csv"]
        assert HOSTILE in " ".join(page.text)


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(folder: Path):
    """A page has all that it shows inside: no element names a file or an address to load, nor does a style."""
    for text in pages(folder):
        page = Page(text)
        assert all(source.startswith("data:image/png;base64,") for source in page.attributes.get("src", ()))
        assert {"link", "iframe", "object", "embed", "base"}.isdisjoint(page.tags)
        assert re.search(r"@import|url\(", text[: text.index("</style>")]) is None
        assert not [
            name for name in ("fetch(", "XMLHttpRequest", "import(", "WebSocket") if name in page_script()
        ]


@pytest.mark.slow
def test_every_link_has_its_target(folder: Path):
    """Links lead to ids of the page, to records and to the table's other files."""
    for text, place in zip(pages(folder), ("tables/tiny", "tables/tiny", "tables"), strict=True):
        page = Page(text)
        ids = page.attributes["id"]
        assert len(ids) == len(set(ids))
        for link in page.attributes["href"]:
            if link.startswith("#"):
                assert link[1:] in ids
            elif "trainings/" in link:
                assert re.fullmatch(r"(tiny/)?\.\./\.\./trainings/[0-9a-f]{64}/record\.json", link)
            else:
                assert (folder / place / link).is_file(), link


@pytest.mark.slow
def test_a_page_leads_to_each_of_its_tables(folder: Path):
    """The page of a study begins with a list of its tables, by name and caption."""
    index = pages(folder)[1]
    contents = index[index.index("<nav") : index.index("</nav>")]
    assert ["../index.html", "#depth", "#demo_depth", "#findings", "#costs"] == Page(contents).attributes[
        "href"
    ]
    assert "The same &amp; more" in contents


@pytest.mark.slow
def test_a_wide_table_can_be_scrolled_with_the_keyboard(folder: Path):
    """What scrolls can be focused, and has a name."""
    groups = re.findall('<div class="scroll" ([^>]*)>', pages(folder)[1])
    assert [
        f'tabindex="0" role="group" aria-labelledby="{name}-caption"' for name in ("depth", "demo_depth")
    ] == groups[:2]


@pytest.mark.slow
def test_details_can_be_read_without_pointing(folder: Path):
    """Intervals, verdict and p-value stand in the list below the table too."""
    facts = next(text for text in Page(pages(folder)[0]).text if "reproduced − paper +8.2" in text)
    for part in (
        "mAP: 3 of 3 seeds; mean 91.333;",
        "95 % prediction interval",
        "minus “depth 2” +10.033, 95 % confidence interval +9.917 to +10.149, p = ",
        "(over 3 seeds)",
    ):
        assert part in facts


@pytest.mark.slow
def test_a_cell_tells_its_details(folder: Path):
    """Pointing at a cell gives seeds, interval, difference from the paper, significance and trainings."""
    titles = Page(pages(folder)[0]).attributes["title"]
    title = next(title for title in titles if "reproduced − paper +8.2" in title)
    assert (
        "3 of 3 seeds\nmean 91.333\n95 % confidence interval of the mean 90.535 to 92.132\n"
        "95 % prediction interval of one more run 89.736 to 92.930\npaper 83.1"
    ) in title
    assert "minus “depth 2” +10.033, 95 % confidence interval +9.917 to +10.149, p = " in title
    assert re.search(r"trainings [0-9a-f]{8}, [0-9a-f]{8}, [0-9a-f]{8}$", title)


def test_a_page_has_no_more_pictures_than_mail_takes():
    """One that would be too much is a link to its file; a smaller one behind it still stands inside, each once."""
    small, large, other = (
        Figure(name, name, name.encode() * size) for name, size in (("a", 8), ("b", 900), ("c", 8))
    )
    pictures = EmbeddedPictures(100)
    placed = [pictures.place(table, figure) for table in ("one", "two") for figure in (small, large, other)]
    assert [True, False, True, False, False, False] == [bool(picture.source) for picture in placed]
    assert ["", "", "", "one-figure-a", "", "one-figure-c"] == [picture.shown_at for picture in placed]
    assert "figures/two/b.png" == placed[4].file


def test_the_page_of_all_studies_stays_of_a_size_that_mail_takes():
    """Pictures that are too much become links to their files, and then studies links to their pages."""
    article = '<main>\n<article class="study" data-base="">\n<p id="p">{}</p>\n{}</article>\n</main>'
    picture = '<img src="data:image/png;base64,{}" data-file="figures/t/loss.png" alt="Loss">'
    few, many = picture.format("A" * 1000), picture.format("A" * PAGE_LIMIT_BYTES)
    pages = {"few": ("", few), "many": ("", many), "words": ("w" * PAGE_LIMIT_BYTES, "")}
    page = studies_to_html(
        [ListedStudy(name, (), f"<h1>{name}</h1>{article.format(*parts)}") for name, parts in pages.items()]
    )
    assert len(page.encode()) < PAGE_LIMIT_BYTES
    assert few in page
    assert '<a href="many/figures/t/loss.png">Loss</a>' in page
    assert '<dt><a href="words/index.html">words</a></dt>' in page
    assert [True, True, False] == [f'<article class="study" id="{name}"' in page for name in pages]
