"""The data plane through the official SDK, unchanged but for its base URL."""

import asyncio
from decimal import Decimal

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

MODEL = "gpt-4o-mini"
# Its upstream speaks Responses itself.
NATIVE = "gpt-native"
TEXT = "Hello from the upstream."
MESSAGES = [{"role": "user", "content": "Hello World"}]


@pytest.fixture(scope="module")
def client(installation):
    return OpenAI(api_key=installation.made["api_key"], base_url=installation.made["base_url"])


def test_hello_world(client):
    completion = client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert completion.choices[0].message.content == TEXT
    assert completion.usage.total_tokens == 13
    assert completion._request_id.startswith("req_")


def test_cost_and_balance_are_exact(client):
    before = client.models.with_raw_response.list()
    assert Decimal(before.headers["farebox-cost"]) == 0
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=MESSAGES)
    cost = (9 * Decimal("0.15") + 4 * Decimal("0.60")) / 1_000_000
    assert Decimal(raw.headers["farebox-cost"]) == cost
    balance = Decimal(before.headers["farebox-balance"]) - cost
    assert Decimal(raw.headers["farebox-balance"]) == balance


def test_streaming(client):
    chunks = list(client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    assert all(chunk.usage is None for chunk in chunks)


def test_streaming_with_usage(client):
    options = {"include_usage": True}
    stream = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options=options
    )
    chunks = list(stream)
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 4


def test_async(installation):
    async def ask():
        made = installation.made
        async with AsyncOpenAI(api_key=made["api_key"], base_url=made["base_url"]) as client:
            calls = [client.chat.completions.create(model=MODEL, messages=MESSAGES) for _ in range(8)]
            return await asyncio.gather(*calls)

    assert {answer.choices[0].message.content for answer in asyncio.run(ask())} == {TEXT}


def test_responses(client):
    response = client.responses.create(model=MODEL, input="Hello World")
    assert response.output_text == TEXT
    assert response.status == "completed" and response.usage.output_tokens == 4


def test_responses_stream(client):
    with client.responses.stream(model=MODEL, input="Hello World") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    assert final.output_text == TEXT


def test_completions(client):
    assert client.completions.create(model=MODEL, prompt="Hello").choices[0].text == TEXT


def test_embeddings(client):
    answer = client.embeddings.create(model=MODEL, input=["a", "b"])
    assert [item.embedding for item in answer.data] == [[0.5, -0.25, 0.125]] * 2


def test_models(client):
    assert [model.id for model in client.models.list()] == [MODEL, NATIVE]
    assert client.models.retrieve(MODEL).object == "model"


def test_a_bad_key(installation):
    client = OpenAI(api_key="sk-proj-nonsense", base_url=installation.made["base_url"])
    with pytest.raises(openai.AuthenticationError) as caught:
        client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert caught.value.code == "invalid_api_key"
    assert caught.value.request_id.startswith("req_")


def test_an_unknown_model(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="nothing", messages=MESSAGES)
    assert caught.value.code == "model_not_found"


def test_a_bad_request(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=[])
    assert caught.value.param == "messages"


def test_exhausted_credit_is_not_tried_again(broke):
    attempts = []

    class Counting(openai.DefaultHttpxClient):
        def send(self, request, **arguments):
            attempts.append(request)
            return super().send(request, **arguments)

    client = OpenAI(
        api_key=broke.made["api_key"], base_url=broke.made["base_url"], http_client=Counting()
    )
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert caught.value.code == "credit_balance_exhausted"
    assert caught.value.type == "insufficient_quota"
    assert len(attempts) == 1


def test_credit_granted_beside_the_server_is_heard_of(broke):
    client = OpenAI(
        api_key=broke.made["api_key"], base_url=broke.made["base_url"], max_retries=0
    )
    organization = broke.made["organization_id"]
    broke.run("credit", "grant", "--organization", organization, "--amount", "1", "--reason", "test")
    for _ in range(50):
        try:
            answer = client.chat.completions.create(model=MODEL, messages=MESSAGES)
            break
        except openai.RateLimitError:
            asyncio.run(asyncio.sleep(0.1))
    assert answer.choices[0].message.content == TEXT
