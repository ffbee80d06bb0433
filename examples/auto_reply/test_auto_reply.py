import pytest
from auto_reply import ANSWERS, auto_reply

from service.testing import make_event


@pytest.mark.parametrize("word", ANSWERS)
def test_a_question_is_answered(run_handler, word):
    ran = run_handler(auto_reply, make_event("message.received", text=f"Hi! {word.upper()}?"))
    assert [each.body["text"] for each in ran.requests] == [ANSWERS[word]]


def test_anything_else_is_left_to_people(run_handler):
    ran = run_handler(auto_reply, make_event("message.received", text="My order is late"))
    assert (ran.outcome, ran.reason, ran.requests) == ("done", "no_question", ())


def test_a_number_that_said_stop_gets_no_answer(run_handler):
    run_handler(auto_reply, make_event("message.received", text="STOP"))
    ran = run_handler(auto_reply, make_event("message.received", text="When do you open?"))
    assert (ran.outcome, ran.requests) == ("done", ())


def test_an_answer_that_telnyx_could_not_take_is_tried_again(run_handler, local_telnyx):
    local_telnyx.add_fault(status=503, times=1)
    ran = run_handler(auto_reply, make_event("message.received", text="Menu"))
    assert (ran.outcome, ran.reason) == ("waiting", "telnyx_outage")
