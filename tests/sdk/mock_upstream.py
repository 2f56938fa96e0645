"""A small OpenAI-compatible upstream for the SDK tests. Prints its port, and ends with its stdin.

Answers are fixed: what is tested is the way to them and back. Asked to go on for ever, it streams
without end, whatever limit it was given; asked to take its time, it takes three seconds. Below /native/v1 it speaks nothing but Responses.
"""

import base64
import itertools
import json
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = ["Hello", " from", " the", " upstream."]
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
FOR_EVER = "Go on for ever"
SLOWLY = "Take your time"
SLOW_S = 3


class Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        base = {"id": "cmpl-1", "created": 1, "model": body["model"]}
        endless = FOR_EVER in json.dumps(body)
        if SLOWLY in json.dumps(body):
            time.sleep(SLOW_S)
        if self.path == "/v1/chat/completions":
            self.answer(body, self.chat(base), self.chat_chunks(base, endless))
        elif self.path == "/v1/completions":
            choice = {"index": 0, "text": "".join(WORDS), "finish_reason": "stop", "logprobs": None}
            self.answer(body, base | {"object": "text_completion", "choices": [choice], "usage": USAGE}, [])
        elif self.path == "/v1/embeddings":
            self.answer(body, self.embeddings(body), [])
        elif self.path == "/native/v1/responses" and endless:
            self.answer(body, None, self.response_events(base))
        else:
            self.send(404, {"error": {"message": "unknown path", "type": "x", "param": None, "code": None}})

    def chat(self, base):
        message = {"role": "assistant", "content": "".join(WORDS)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return base | {"object": "chat.completion", "choices": [choice], "usage": USAGE}

    def chat_chunks(self, base, endless):
        def chunk(delta, finish=None):
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            return base | {"object": "chat.completion.chunk", "choices": [choice], "usage": None}

        yield chunk({"role": "assistant", "content": ""})
        words = itertools.cycle(WORDS) if endless else WORDS
        yield from (chunk({"content": word}) for word in words)
        yield chunk({}, "stop")
        yield base | {"object": "chat.completion.chunk", "choices": [], "usage": USAGE}

    def response_events(self, base):
        numbers = itertools.count()
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress"}
        response = {"id": "resp_1", "object": "response", "created_at": 1, "model": base["model"]}
        response |= {"status": "in_progress", "output": [], "parallel_tool_calls": True}
        response |= {"tool_choice": "auto", "tools": [], "usage": None, "incomplete_details": None}
        part = {"type": "output_text", "text": "", "annotations": []}

        def event(kind, **members):
            return {"type": f"response.{kind}", "sequence_number": next(numbers)} | members

        yield event("created", response=response)
        yield event("in_progress", response=response)
        yield event("output_item.added", output_index=0, item=item | {"content": []})
        yield event("content_part.added", **place, part=part)
        for word in itertools.cycle(WORDS):
            yield event("output_text.delta", **place, delta=word, logprobs=[])

    def embeddings(self, body):
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        numbers = [0.5, -0.25, 0.125]
        if body.get("encoding_format") == "base64":
            numbers = base64.b64encode(struct.pack("<3f", *numbers)).decode()
        data = [{"object": "embedding", "index": i, "embedding": numbers} for i in range(len(texts))]
        usage = {"prompt_tokens": 5, "total_tokens": 5}
        return {"object": "list", "data": data, "model": body["model"], "usage": usage}

    def answer(self, body, whole, chunks):
        if not body.get("stream"):
            return self.send(200, whole)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            for chunk in chunks:
                name = f"event: {chunk['type']}\n".encode() if "type" in chunk else b""
                self.wfile.write(name + b"data: " + json.dumps(chunk).encode() + b"\n\n")
            self.wfile.write(b"data: [DONE]\n\n")
        except ConnectionError:
            # Who asked for ever had enough.
            pass

    def send(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
