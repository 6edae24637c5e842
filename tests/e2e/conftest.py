"""Stages for the tests, closed and judged after each; and the official clients, pointed at one."""

from collections.abc import Callable, Iterator

import anthropic
import openai
import pytest

from tests.e2e.configuration import VOCABULARIES
from tests.e2e.harness import Backstage, OpenStage, Stage


@pytest.fixture(scope="session")
def backstage() -> Iterator[Backstage]:
    backstage = Backstage()
    yield backstage
    backstage.close()


@pytest.fixture
def open_stage(backstage: Backstage) -> Iterator[OpenStage]:
    """Opens stages; afterwards nothing may have leaked, and every answer must conform."""
    stages = OpenStage(backstage)
    yield stages
    stages.close()


# Making one costs 50 ms (certificates), so copies share it; a stage's connections end with the stage.
@pytest.fixture(scope="session")
def any_gpt() -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url="http://127.0.0.1", api_key="none") as client:
        yield client


@pytest.fixture(scope="session")
def any_claude() -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url="http://127.0.0.1", api_key="none") as client:
        yield client


@pytest.fixture
def gpt(any_gpt: openai.OpenAI) -> Callable[[Stage], openai.OpenAI]:
    """openai-python for a stage, as it comes: with its own retries."""
    return lambda stage: any_gpt.with_options(base_url=f"{stage.url}/v1", api_key=stage.key)


@pytest.fixture
def claude(any_claude: anthropic.Anthropic) -> Callable[[Stage], anthropic.Anthropic]:
    """anthropic-python for a stage, as it comes: with its own retries."""
    return lambda stage: any_claude.with_options(base_url=stage.url, api_key=stage.key)


@pytest.fixture(params=VOCABULARIES)
def upstream(request: pytest.FixtureRequest) -> str:
    """The vocabulary of the upstream that answers."""
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["at-once", "fallback"])
def falls_back(request: pytest.FixtureRequest) -> bool:
    """Whether another candidate is asked first and dies before any content."""
    return bool(request.param)
