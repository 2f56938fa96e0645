"""A request with an Idempotency-Key runs and costs once, and the SDK waits for one in progress."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from mock_upstream import SLOWLY
from openai import OpenAI

from test_models import MESSAGES, MODEL
from test_refusals import Counting

SLOW_MESSAGES = [{"role": "user", "content": SLOWLY}]


@pytest.fixture(scope="module")
def client(installation):
    return OpenAI(api_key=installation.made["api_key"], base_url=installation.made["base_url"])


@pytest.fixture
def headers():
    return {"Idempotency-Key": str(uuid.uuid4())}


def balance(answer):
    return answer.headers["farebox-balance"]


def test_the_same_key_twice_is_one_charge(client, headers):
    def create():
        return client.chat.completions.with_raw_response.create(
            model=MODEL, messages=MESSAGES, extra_headers=headers
        )

    first, second = create(), create()
    assert second.content == first.content
    assert "farebox-replayed" not in first.headers
    assert second.headers["farebox-replayed"] == first.headers["x-request-id"]
    assert second.headers["farebox-cost"] == first.headers["farebox-cost"]
    assert balance(second) == balance(first), "nothing was charged"
    assert second.parse() == first.parse()


def test_a_stream_comes_again_as_it_was(client, headers):
    def create():
        options = {"stream": True, "stream_options": {"include_usage": True}}
        return list(
            client.chat.completions.create(
                model=MODEL, messages=MESSAGES, extra_headers=headers, **options
            )
        )

    before = balance(client.models.with_raw_response.list())
    first = create()
    between = balance(client.models.with_raw_response.list())
    assert create() == first
    after = balance(client.models.with_raw_response.list())
    assert before != between and between == after, "charged once"


def test_responses_and_embeddings_too(client):
    def twice(create):
        key = {"Idempotency-Key": str(uuid.uuid4())}
        first, second = create(key), create(key)
        assert second.content == first.content
        assert second.headers["farebox-replayed"] == first.headers["x-request-id"]

    responses = client.responses.with_raw_response
    twice(lambda key: responses.create(model=MODEL, input="Hello", extra_headers=key))
    embeddings = client.embeddings.with_raw_response
    twice(lambda key: embeddings.create(model=MODEL, input="Hello", extra_headers=key))


def test_one_in_progress_is_waited_for(installation, headers):
    counting = Counting(installation.made, max_retries=20)

    def create():
        return counting.client.chat.completions.with_raw_response.create(
            model=MODEL, messages=SLOW_MESSAGES, extra_headers=headers
        )

    with ThreadPoolExecutor() as both:
        first, second = (answer.result() for answer in [both.submit(create), both.submit(create)])
    assert counting.sent > 2, "one was told to try again"
    assert second.content == first.content
    assert balance(second) == balance(first)
    replayed = [answer.headers.get("farebox-replayed") for answer in (first, second)]
    assert replayed.count(None) == 1, "one ran"


def test_a_key_of_another_request_is_not_repeated(installation, headers):
    counting = Counting(installation.made)
    create = counting.client.chat.completions.create
    create(model=MODEL, messages=MESSAGES, extra_headers=headers)
    with pytest.raises(openai.ConflictError) as caught:
        create(model=MODEL, messages=MESSAGES, max_tokens=7, extra_headers=headers)
    assert caught.value.code == "idempotency_key_reused"
    assert counting.sent == 2


def test_a_bad_key_names_the_header(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model=MODEL, messages=MESSAGES, extra_headers={"Idempotency-Key": "two words"}
        )
    assert (caught.value.param, caught.value.code) == ("Idempotency-Key", "invalid_value")
