"""The page for participants. ``user-study serve STUDY`` starts it.

It reads ``study.json``, never ``key.json``: what it does not know it cannot give away.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

import streamlit as st

from amgan.errors import UserError
from ui.study import design, look
from ui.study.answers import Answer, Answers, step_of
from ui.study.design import QUESTIONS, Trial
from ui.study.folder import Study, read_study

SECONDS_EACH = 5  # a question, roughly, for the promise of how long it takes
CANNOT = "Cannot decide"


@st.cache_resource
def opened(folder: str) -> tuple[Study, Answers]:
    """Raises UserError."""
    study = read_study(Path(folder))
    return study, Answers(study.folder, study.id)


@st.cache_data(max_entries=500, show_spinner=False)
def address(folder: str, name: str) -> str:
    return look.data_address(opened(folder)[0].picture(name))


def main() -> None:
    st.set_page_config("Which picture is best?", ":material/apparel:", layout="wide")
    st.html(f"<style>{look.CSS}</style>")
    try:
        page(*opened(sys.argv[1]))
    except UserError as error:
        st.error(str(error), icon=":material/error:")
        if st.query_params:
            st.button("Begin anew", on_click=st.query_params.clear)
    except Exception:
        logging.getLogger(__name__).exception("The page failed")
        st.error("Something went wrong. What you answered is saved; reload the page to go on.", icon=":material/error:")


def page(study: Study, answers: Answers) -> None:
    code = st.query_params.get("me")
    if not code:
        welcome(study, answers)
        return
    trials = study.session(answers.slot(code))
    answered = answers.of(code)
    steps = [(trial, question) for trial in trials for question in QUESTIONS]
    step = min(st.session_state.get("back", len(steps)), step_of(trials, list(QUESTIONS), answered))
    if step == len(steps):
        thanks(step)
        return
    trial, question = steps[step]
    given = answered.get((trial.comparison, trial.repeat, question))
    ask(study, answers, code, trial, question, step, len(steps), given)


def welcome(study: Study, answers: Answers) -> None:
    count = len(study.comparisons) + study.repeats
    minutes = max(1, round(count * len(QUESTIONS) * SECONDS_EACH / 60))
    editors = len(study.comparisons[0].orders[0])
    with st.container(key="narrow"):
        st.title("Which picture is best?", anchor=False)
        st.markdown(
            f"You will see a garment, and {editors} pictures in which a computer changed one thing about it: "
            "its sleeves, say, or its colour. Choose the picture that answers each question best. "
            "There is no right answer: your own eye is what counts."
        )
        st.markdown(
            f"- **{count} garments, {len(QUESTIONS)} short questions each**: about {minutes} minutes.\n"
            "- **Tap a picture** to choose it, or press its number on the keyboard.\n"
            "- **Every answer is saved at once.** You can stop at any time, and go on later with the same link.\n"
            "- **No name is asked for.** Your choices and how long they took are kept, and nothing else."
        )
        st.button("Start", type="primary", key="start", on_click=start, args=(answers,), shortcut="Enter")
        with st.expander("I have begun already"):
            st.text_input("Your code", key="code", placeholder="10 letters and digits, under the questions")
            st.button("Go on", key="resume", on_click=resume, args=(answers,))
            if complaint := st.session_state.get("complaint"):
                st.warning(complaint)


def start(answers: Answers) -> None:
    st.query_params["me"] = answers.join()


def resume(answers: Answers) -> None:
    code = st.session_state["code"].strip().lower()
    try:
        answers.slot(code)
    except UserError as error:
        st.session_state["complaint"] = str(error)
    else:
        st.session_state.pop("complaint", None)
        st.query_params["me"] = code


def ask(
    study: Study,
    answers: Answers,
    code: str,
    trial: Trial,
    question: str,
    step: int,
    steps: int,
    given: Answer | None,
) -> None:
    comparison = study.comparisons[trial.comparison]
    shown = st.session_state.setdefault("shown", {})
    shown.setdefault(step, time.monotonic())
    folder = str(study.folder)
    number = list(QUESTIONS).index(question)
    st.html(f"<style>{look.layout(len(comparison.orders[0]))}</style>")
    st.html(look.header(step, steps, number, len(QUESTIONS)))
    st.html(look.question(QUESTIONS[question], comparison.change, number, len(QUESTIONS)))

    def save(picture: str | None, position: int | None) -> None:
        now = time.monotonic()
        seconds = round(now - shown.pop(step, now), 2)
        if seconds < design.ECHO:
            return
        answers.save(Answer(code, trial.comparison, trial.repeat, question, picture, position, seconds))
        st.session_state.pop("back", None)

    with st.container(key="table"):
        with st.container(key="photo"):
            caption = ("The photo", f"wanted: {comparison.change}")
            st.html(look.picture(address(folder, comparison.photo), "The photo, unchanged", caption))
        with st.container(key="pictures"):
            pictures = study.pictures(trial)
            for position, name in enumerate(pictures):
                chosen = given is not None and given.position == position
                with st.container(key=f"picture-{position + 1}"):
                    alt = f"Picture {position + 1}: {comparison.change}"
                    st.html(look.picture(address(folder, name), alt, chosen=chosen))
                    st.button(
                        str(position + 1),
                        key=f"choose-{position + 1}",
                        on_click=save,
                        args=(name, position),
                        shortcut=str(position + 1),
                    )
    with st.container(key="below", horizontal=True):
        st.button(
            "Back", key="back-button", on_click=go_back, args=(step,), disabled=not step, shortcut="B", type="tertiary"
        )
        st.button(CANNOT, key="cannot", on_click=save, args=(None, None), shortcut="0", type="tertiary")
    st.html(look.footer(code))


def go_back(step: int) -> None:
    st.session_state["back"] = step - 1
    st.session_state.pop("shown", None)


def thanks(steps: int) -> None:
    with st.container(key="narrow"):
        st.title("Thank you!", anchor=False)
        st.markdown(f"All {steps} answers are saved. You may close this page.")
        st.button("Change my last answer", key="back-button", on_click=go_back, args=(steps,), type="tertiary")


main()
