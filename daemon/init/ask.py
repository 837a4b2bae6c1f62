"""Gets every answer: from the options, else at a terminal question by question, each checked at once; where there is no
terminal from the defaults, and what has none is an error that names its option. Knows no field.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.errors import ConfigError
from daemon.init.kinds import FILE, KIND, Answers
from daemon.init.questions import KIND_QUESTION, QUESTIONS, Question

# Shows a question with its default (None = it has none) and returns what was typed.
Prompt = Callable[[str, str | None], str]
Tell = Callable[[str], None]


def answer_all(given: Mapping[str, str], file: Path, prompt: Prompt | None, tell: Tell) -> Answers:
    """Every answer, in the order of the questions. Without a `prompt` nobody is asked. Raises ConfigError."""
    if file.exists():
        raise ConfigError(f"{file}: is there already, and is not overwritten; give init another FILE")
    answers: Answers = {FILE: file}
    answers[KIND] = _answered(KIND_QUESTION, given, answers, prompt, tell)
    if prompt is None:
        _check_needed(given, answers)
    for question in QUESTIONS:
        if question.asked(answers):
            answers[question.field] = _answered(question, given, answers, prompt, tell)
        elif question.field in given:
            raise ConfigError(f"{question.option}: has no meaning beside the other answers; leave it out")
    return answers


def _check_needed(given: Mapping[str, str], answers: Answers) -> None:
    """All that is missing, at once."""
    missing = [q for q in QUESTIONS if answers[KIND] in q.needed and q.field not in given]
    if missing:
        raise ConfigError("\n".join(_missing(question) for question in missing))


def _missing(question: Question) -> str:
    return f"{question.field}: is needed, and there is nobody to ask; give {question.option} ({question.words})"


def _answered(question: Question, given: Mapping[str, str], answers: Answers, prompt: Prompt | None, tell: Tell) -> Any:
    """One answer. A wrong option ends it; a wrong line is asked for again."""
    default = question.default_of(answers)
    if question.field in given or prompt is None:
        text = given.get(question.field, default)
        if text is None:
            raise ConfigError(_missing(question))
        try:
            return _checked(question, text, answers, tell)
        except ConfigError as fault:
            raise ConfigError(f"{question.option}: {fault}") from fault
    tell(f"\n{question.field}: {question.meaning} ({question.words})")
    while True:
        text = prompt(question.field, default)
        try:
            return _checked(question, text, answers, tell)
        except ConfigError as fault:
            tell(str(fault))


def _checked(question: Question, text: str, answers: Answers, tell: Tell) -> Any:
    value, warning = question.value(text, answers)
    if warning:
        tell(f"warning: {warning}")
    return value
