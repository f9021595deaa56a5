"""A document as one page that loads nothing from elsewhere."""

from __future__ import annotations

from tablewright.reports.documents.document import Section
from tablewright.reports.page.page_template import page_template


def document_to_html(document: Section) -> str:
    """Render a document whose title is the page's."""
    return page_template("document.html.jinja").render(document=document)
