"""A throwaway installation in front of the mock upstream: starts it, and says where it is.

As a program it prints one JSON object and runs until its standard input closes, so that tests in
any language can use it.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
FAREBOX = os.environ.get("FAREBOX_BIN", str(HERE / "../../target/debug/farebox"))

# Who sets it up, and everybody's password.
OPERATOR = "ada@example.com"
PASSWORD = "correct horse battery staple"
CONFIG = """
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
database_url = "sqlite://farebox.db"

[signup]
phone_verification = "off"

[[upstreams]]
id = "mock"
kind = "openai"
base_url = "http://127.0.0.1:{upstream}/v1"

[[upstreams]]
id = "native"
kind = "openai"
base_url = "http://127.0.0.1:{upstream}/native/v1"
responses = "native"

[[models]]
id = "gpt-4o-mini"
deployments = [{{ upstream = "mock", model = "gpt-4o-mini" }}]
price = {{ input = "0.15", cached_input = "0.075", output = "0.60" }}

[[models]]
id = "gpt-native"
deployments = [{{ upstream = "native" }}]
price = {{ input = "0.15", output = "0.60" }}
endpoints = ["responses"]
"""


class Installation:
    def __init__(self, credit, before_serving=lambda installation: None):
        self.folder = tempfile.TemporaryDirectory()
        self.upstream = subprocess.Popen(
            [sys.executable, str(HERE / "mock_upstream.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        upstream = self.upstream.stdout.readline().strip()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        Path(self.folder.name, "farebox.toml").write_text(CONFIG.format(port=port, upstream=upstream))
        setup = ["setup", "--email", OPERATOR, "--organization", "Acme", "--json"]
        setup += ["--password-stdin"]
        if credit:
            setup += ["--credit", credit]
        self.made = json.loads(self.run(*setup, given=PASSWORD))
        before_serving(self)
        self.log = open(Path(self.folder.name, "log"), "w+")
        self.server = subprocess.Popen(
            [FAREBOX, "serve"], cwd=self.folder.name, stdout=self.log, stderr=self.log
        )
        self.wait(f"http://127.0.0.1:{port}/readyz")

    def run(self, *arguments, given=None):
        command = [FAREBOX, *arguments]
        return subprocess.run(
            command,
            cwd=self.folder.name,
            check=True,
            capture_output=True,
            text=True,
            input=given,
        ).stdout

    def wait(self, url):
        # A large installation takes a while; one that fails ends.
        for _ in range(3_000):
            if self.server.poll() is not None:
                break
            try:
                return urllib.request.urlopen(url, timeout=2)
            except OSError:
                time.sleep(0.1)
        self.log.seek(0)
        raise RuntimeError(f"farebox did not start:\n{self.log.read()}")

    def close(self):
        self.server.terminate()
        self.server.wait(30)
        self.upstream.stdin.close()
        self.upstream.wait(10)
        self.folder.cleanup()


def main():
    installation = Installation(sys.argv[1] if len(sys.argv) > 1 else None)
    print(json.dumps(installation.made), flush=True)
    sys.stdin.read()
    installation.close()


if __name__ == "__main__":
    main()
