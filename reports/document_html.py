"""A document as one page that loads nothing from elsewhere."""

from __future__ import annotations

import jinja2

from tablewright.reports.document import Section


def document_to_html(document: Section) -> str:
    """Render a document whose title is the page's."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tablewright.reports", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("document.html.jinja").render(document=document)
