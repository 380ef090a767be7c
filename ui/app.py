"""The pages. Start them with ``streamlit run ui/app.py -- --store FOLDER_OR_URL --collection NAME``, or ``make ui``."""

from __future__ import annotations

import logging
from pathlib import Path

import streamlit as st

from ui import choosing, compare_page, live, report_page, search_page, texts, uploads

HERE = Path(__file__).parent


def main() -> None:
    uploads.keep_swept()
    words = texts.current()
    st.set_page_config(words("page.title"), HERE / "icon.svg", layout="wide")
    st.html(HERE / "style.css")
    pages = [
        st.Page(search_page.show, title=words("page.search"), url_path="search", default=True),
        st.Page(compare_page.show, title=words("compare.title"), url_path="compare"),
        st.Page(report_page.show, title=words("report.title"), url_path="reports"),
    ]
    try:
        page = st.navigation(pages, position="top")
        _forget_errors(page.url_path)
        page.run()
    except Exception:
        # A visitor can do nothing with a traceback, and it may show more than a visitor should see.
        logging.getLogger("ui").exception("The page failed")
        st.error(words("page.failed"), icon=":material/error:")
        live.say_language()


def _forget_errors(page: str) -> None:
    """What was wrong with an upload is not said on another page, nor of another garment."""
    here = (page, st.query_params.get("item"), st.query_params.get("photo"))
    if st.session_state.get("here") != here:
        st.session_state.pop(choosing.ERROR, None)
    st.session_state["here"] = here


main()
