"""The page. Start it with ``streamlit run ui/app.py -- --store FOLDER_OR_URL --collection NAME``, or ``make ui``."""

from __future__ import annotations

import logging
import sys

import streamlit as st

from amgan.attributes import asked_of
from amgan.errors import UserError
from ui import choosing, resources, studio, style
from ui.settings import read_settings


def main() -> None:
    st.set_page_config("Edit a garment, find it", ":material/apparel:", layout="wide")
    try:
        page()
    except UserError as error:
        st.error(str(error), icon=":material/error:")
        if st.query_params or "upload" in st.session_state:
            st.button("Choose another garment", on_click=choosing.choose_another)
    except Exception:
        # A visitor can do nothing with a traceback, and it may show more than a visitor should see.
        logging.getLogger(__name__).exception("The page failed")
        st.error(
            "Something went wrong, and the server's log says what. Reload the page to go on.", icon=":material/error:"
        )


def page() -> None:
    searcher = resources.searcher(read_settings(sys.argv[1:]))
    schema = searcher.schema
    style.apply(asked_of(schema.attributes[schema.index("color")]) if "color" in schema.names else [])
    st.title("Edit a garment, find it", anchor=False)
    query = choosing.chosen(searcher)
    if query is None:
        st.markdown(
            "Choose a garment. Then change its "
            + " or its ".join(style.label(n).lower() for n in schema.editable)
            + ", and see what matches."
        )
        choosing.show(searcher)
    else:
        studio.show(searcher, query)


main()
