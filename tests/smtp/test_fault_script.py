"""A script of faults is read or refused with a sentence; what is read is what was written."""

from __future__ import annotations

import pytest

from apps.smtp.faults import script
from apps.smtp.faults.script import Fault


def test_a_list_of_faults_is_read() -> None:
    text = '[{"stage": "rcpt", "action": "550 5.1.1 No", "share": 0.1}, {"stage": "dot", "action": "hang", "nth": 2}]'

    assert script.parse(text) == (Fault("rcpt", "550 5.1.1 No", share=0.1), Fault("dot", "hang", nth=2))


def test_a_number_is_the_share_of_letters_taken_without_an_answer() -> None:
    assert script.parse("0.02") == (Fault("dot", "accept_then_drop", share=0.02),)


@pytest.mark.parametrize("text", ["", "0", "[]"])
def test_nothing_is_no_fault(text: str) -> None:
    assert script.parse(text) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "neither JSON nor a number"),
        ("1.5", "between 0 and 1"),
        ("true", "is a list of faults"),
        ("[1]", "knows: stage, action"),
        ('[{"stage": "rcpt"}]', "knows: stage, action"),
        ('[{"stage": "lunch", "action": "drop"}]', "no stage 'lunch'"),
        ('[{"stage": "rcpt", "action": "explode"}]', "or one of: drop"),
        ('[{"stage": "rcpt", "action": "999 no"}]', "An action is a reply"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, said: str) -> None:
    with pytest.raises(script.ScriptError, match=said):
        script.parse(text)


def test_what_is_dumped_is_read_again() -> None:
    faults = (Fault("dot", "slow", recipient="a@example.com", times=3, seconds=1.5),)

    assert script.parse(script.dump(faults)) == faults
