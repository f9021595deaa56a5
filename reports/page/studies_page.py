"""The page of all studies: one file that holds the page of each, so that it can be sent alone too.

The pages of studies that were written earlier are taken as they lie there; what a page adds around its study is left
out, and its links are made to lead from the folder above.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tablewright.reports.page.embedded_pictures import PAGE_LIMIT_BYTES
from tablewright.reports.page.html import SPARED_BYTES
from tablewright.reports.page.page_template import page_script, page_template

ARTICLE = re.compile(r'<article class="study" data-base="">\n(.*)</article>\n</main>', re.DOTALL)
TITLE = re.compile(r"<h1>(.*?)</h1>")
PICTURE = re.compile(r'<img src="data:[^"]*" data-file="([^"]*)" alt="([^"]*)">')
UP = re.compile(r'<p class="up">.*?</p>\n')
# An attribute is written so by our templates alone: quotes of others' texts are escaped in HTML and in JSON.
IDENTITY = re.compile(r' (id|aria-labelledby)="')
INSIDE, OUTSIDE = re.compile(r' href="#'), re.compile(r' href="(?!#|data:)')


@dataclass(frozen=True)
class ListedStudy:
    """A study whose page lies below.

    Attributes:
        folder: of its tables, as a link from the folder of the page of all studies.
        tables: names of its tables that have a page each.
        page: of the study, as it was written.
    """

    folder: str
    tables: Sequence[str]
    page: str


@dataclass(frozen=True)
class _ShownStudy:
    """A study as the page of all has it.

    Attributes:
        folder: as `ListedStudy` has it.
        name: its folder, as a part of ids.
        title: as HTML.
        tables: likewise.
        article: as HTML; empty where its page is linked only.
    """

    folder: str
    name: str
    title: str
    tables: Sequence[str]
    article: str


def studies_to_html(studies: Sequence[ListedStudy]) -> str:
    """Render the page that holds the page of each study.

    Once it would be too large, pictures are links to their files, and then studies to their pages.

    Args:
        studies: in printing order.
    """
    room_bytes = PAGE_LIMIT_BYTES - SPARED_BYTES
    shown: list[_ShownStudy] = []
    for study in studies:
        article = _article(study)
        for candidate in (article, _with_linked_pictures(article, study.folder), ""):
            if len(candidate.encode()) <= room_bytes:
                article = candidate
                break
        room_bytes -= len(article.encode())
        title = TITLE.search(study.page)
        shown.append(
            _ShownStudy(
                study.folder,
                _name_of(study.folder),
                html.escape(study.folder) if title is None else title[1],
                study.tables,
                article,
            )
        )
    return page_template("studies.html.jinja").render(studies=shown, script=page_script())


def _name_of(folder: str) -> str:
    return folder.replace("/", "-")


def _article(study: ListedStudy) -> str:
    """Take the study out of its page; empty where the page was written by an earlier version."""
    found = ARTICLE.search(study.page)
    if found is None:
        return ""
    name, folder = _name_of(study.folder), html.escape(study.folder)
    body = UP.sub("", found[1])
    body, facts = body.rsplit("<script", 1) if "<script" in body else (body, "")
    body = IDENTITY.sub(rf' \1="{name}-', body)
    body = OUTSIDE.sub(f' href="{folder}/', body)
    body = INSIDE.sub(f' href="#{name}-', body)
    body = body.replace("<h2", "<h3").replace("</h2>", "</h3>")
    return f"{body}<script{facts}" if facts else body


def _with_linked_pictures(article: str, folder: str) -> str:
    return PICTURE.sub(lambda found: f'<a href="{html.escape(folder)}/{found[1]}">{found[2]}</a>', article)
