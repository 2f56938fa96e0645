import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from installation import Installation  # noqa: E402


@pytest.fixture(scope="session")
def installation():
    """With $5 of credit."""
    running = Installation("5")
    yield running
    running.close()


@pytest.fixture(scope="module")
def fresh():
    """With $5 of credit, and for one module alone: nobody else makes anything in it."""
    running = Installation("5")
    yield running
    running.close()


@pytest.fixture(scope="session")
def broke():
    """Without any credit."""
    running = Installation(None)
    yield running
    running.close()
