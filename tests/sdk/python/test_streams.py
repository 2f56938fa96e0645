"""What a stream holds, record by record."""

from openai import LengthFinishReasonError, OpenAI
import pytest
from mock_upstream import FOR_EVER, USAGE, WORDS

from test_models import MESSAGES, MODEL, NATIVE, TEXT


@pytest.fixture(scope="module")
def client(installation):
    return OpenAI(api_key=installation.made["api_key"], base_url=installation.made["base_url"])


def test_usage_that_was_not_asked_for_is_withheld(client):
    # Farebox itself asks the upstream for it, to bill exactly.
    chunks = list(client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True))
    assert all(chunk.choices for chunk in chunks)
    assert [c.choices[0].delta.content for c in chunks if c.choices[0].delta.content] == WORDS
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len({chunk.id for chunk in chunks}) == 1


def test_usage_comes_once_and_last(client):
    stream = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = list(stream)
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert last.choices == [] and last.usage.total_tokens == USAGE["total_tokens"]


def test_the_stream_helper_puts_the_answer_together(client):
    with client.chat.completions.stream(model=MODEL, messages=MESSAGES) as stream:
        # The first chunk names the role, with no text.
        texts = [e.delta for e in stream if e.type == "content.delta" and e.delta]
        final = stream.get_final_completion()
    assert texts == WORDS
    assert final.choices[0].message.content == TEXT


def test_the_events_of_a_response_are_complete_and_numbered(client):
    events = list(client.responses.create(model=MODEL, input="Hello World", stream=True))
    kinds = [event.type for event in events]
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * len(WORDS),
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].response.usage.total_tokens == USAGE["total_tokens"]


def test_a_stream_that_is_cut_off_ends_at_its_length(client):
    stream = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": FOR_EVER}],
        max_tokens=5,
        stream=True,
        stream_options={"include_usage": True},
    )
    *chunks, last = list(stream)
    words = [c.choices[0].delta.content for c in chunks if c.choices[0].delta.content]
    assert words == [*WORDS, WORDS[0]]
    assert chunks[-1].choices[0].finish_reason == "length"
    assert last.choices == [] and last.usage.completion_tokens == 5
    assert len({chunk.id for chunk in [*chunks, last]}) == 1


def test_the_helper_puts_together_what_was_cut_off(client):
    messages = [{"role": "user", "content": FOR_EVER}]
    with client.chat.completions.stream(model=MODEL, messages=messages, max_tokens=4) as stream:
        # The helper's own way to say that an answer reached its length.
        with pytest.raises(LengthFinishReasonError) as caught:
            stream.get_final_completion()
    assert caught.value.completion.choices[0].message.content == TEXT


@pytest.mark.parametrize("model", [MODEL, NATIVE])
def test_a_response_that_is_cut_off_is_incomplete(client, model):
    with client.responses.stream(model=model, input=FOR_EVER, max_output_tokens=4) as stream:
        events = list(stream)
    assert [event.type for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * len(WORDS),
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.incomplete",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    response = events[-1].response
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output_text == TEXT and response.model == model
    assert response.usage.output_tokens == 4
