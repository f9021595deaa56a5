"""Tables for a paper: fitted to the page, written as LaTeX, checked by a TeX."""
