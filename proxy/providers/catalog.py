"""The explicit list of providers: name -> Provider."""

from collections.abc import Mapping
from types import MappingProxyType

from proxy.providers.anthropic import ANTHROPIC
from proxy.providers.azure import AZURE
from proxy.providers.cerebras import CEREBRAS
from proxy.providers.compatible import COMPATIBLE
from proxy.providers.deepseek import DEEPSEEK
from proxy.providers.fireworks import FIREWORKS
from proxy.providers.groq import GROQ
from proxy.providers.lmstudio import LMSTUDIO
from proxy.providers.mistral import MISTRAL
from proxy.providers.ollama import OLLAMA
from proxy.providers.openai import OPENAI
from proxy.providers.openrouter import OPENROUTER
from proxy.providers.perplexity import PERPLEXITY
from proxy.providers.provider import Provider
from proxy.providers.together import TOGETHER
from proxy.providers.vllm import VLLM
from proxy.providers.xai import XAI

# In the order in which routes built from the environment prefer them.
_ALL = (
    OPENAI,
    ANTHROPIC,
    AZURE,
    XAI,
    MISTRAL,
    DEEPSEEK,
    GROQ,
    CEREBRAS,
    TOGETHER,
    FIREWORKS,
    OPENROUTER,
    PERPLEXITY,
    OLLAMA,
    VLLM,
    LMSTUDIO,
    COMPATIBLE,
)

PROVIDERS: Mapping[str, Provider] = MappingProxyType({provider.name: provider for provider in _ALL})
