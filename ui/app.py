"""The pages. Start them with ``streamlit run ui/app.py -- --store FOLDER_OR_URL --collection NAME``, or ``make ui``."""

from __future__ import annotations

import logging
from pathlib import Path

import streamlit as st

from ui import compare_page, report_page, search_page, texts

HERE = Path(__file__).parent


def main() -> None:
    words = texts.current()
    st.set_page_config(words("page.title"), HERE / "icon.svg", layout="wide")
    st.html(HERE / "style.css")
    pages = [
        st.Page(search_page.show, title=words("page.search"), url_path="search", default=True),
        st.Page(compare_page.show, title=words("compare.title"), url_path="compare"),
        st.Page(report_page.show, title=words("report.title"), url_path="reports"),
    ]
    try:
        st.navigation(pages, position="top").run()
    except Exception:
        # A visitor can do nothing with a traceback, and it may show more than a visitor should see.
        logging.getLogger("ui").exception("The page failed")
        st.error(words("page.failed"), icon=":material/error:")


main()
