"""Refusals become the exception class that programs catch, say what is wrong, and are sent once."""

import http.client
import socket
import time
import urllib.parse

import openai
import pytest
from openai import OpenAI

from test_models import MESSAGES, MODEL


class Counting:
    """A client that counts what it really sends, tries again included."""

    def __init__(self, made, **options):
        self.sent = 0
        http_client = openai.DefaultHttpxClient(event_hooks={"request": [self.count]})
        options = {"api_key": made["api_key"], "base_url": made["base_url"]} | options
        self.client = OpenAI(http_client=http_client, **options)

    def count(self, _request):
        self.sent += 1


def test_a_mistyped_key_is_not_repeated(installation):
    key = installation.made["api_key"]
    key = key[:-1] + ("b" if key.endswith("a") else "a")
    counting = Counting(installation.made, api_key=key)
    with pytest.raises(openai.AuthenticationError) as caught:
        counting.client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert "Incorrect API key provided" in caught.value.message
    assert key not in str(caught.value)
    assert counting.sent == 1


def test_no_key(installation):
    client = OpenAI(api_key="left out below", base_url=installation.made["base_url"])
    with pytest.raises(openai.AuthenticationError) as caught:
        client.chat.completions.create(
            model=MODEL, messages=MESSAGES, extra_headers={"Authorization": openai.Omit()}
        )
    assert caught.value.code is None
    assert "You didn't provide an API key" in caught.value.message


def test_an_admin_key_calls_no_models(installation):
    client = Counting(installation.made, api_key=installation.made["admin_key"]).client
    with pytest.raises((openai.AuthenticationError, openai.PermissionDeniedError)):
        client.chat.completions.create(model=MODEL, messages=MESSAGES)


def test_an_unknown_model_is_refused_before_its_stream_begins(installation):
    client = Counting(installation.made).client
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="no/such/model", messages=MESSAGES, stream=True)
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("no/such/model")
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"messages": "Hello"}, "messages"),
        ({"messages": None}, "messages"),
        ({"n": 0}, "n"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
    ],
)
def test_a_malformed_request_names_its_field(installation, changes, param):
    counting = Counting(installation.made)
    # Past create(), which would refuse some of these itself. None stands for "left out".
    body = {"model": MODEL, "messages": MESSAGES} | changes
    body = {name: value for name, value in body.items() if value is not None}
    with pytest.raises(openai.BadRequestError) as caught:
        counting.client.post("/chat/completions", body=body, cast_to=object)
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"
    assert counting.sent == 1


def test_what_is_not_stored_cannot_be_followed(installation):
    client = Counting(installation.made).client
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="And then?", previous_response_id="resp_1")
    assert caught.value.param == "previous_response_id"


def test_an_unknown_address(installation):
    client = Counting(installation.made).client
    with pytest.raises(openai.NotFoundError) as caught:
        client.post("/chat/not-found", body={}, cast_to=object)
    assert "Invalid URL (POST /v1/chat/not-found)" in caught.value.message


def test_a_refusal_leaves_the_connection_open(installation):
    """Also one that is decided before the body is there: the next request finds the server."""
    where = urllib.parse.urlsplit(installation.made["base_url"])
    head = "POST /v1/organization/projects HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        for _ in range(2):
            connection.sendall(f"{head}Content-Length: 12\r\n\r\n".encode())
            time.sleep(0.1)  # As long as a client may take between the two.
            connection.sendall(b'{"name":"x"}')
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status == 401
            answer.read()
