"""Azure OpenAI through its v1 API: the paths of OpenAI under the resource's own address; models are deployments."""

from proxy.providers.provider import Auth, Endpoint, Provider

AZURE = Provider(
    name="azure",
    base_url=None,  # https://RESOURCE.openai.azure.com/openai/v1, or https://RESOURCE.services.ai.azure.com/openai/v1
    auth=Auth.API_KEY,
    environment_key="AZURE_OPENAI_API_KEY",
    endpoints=(
        Endpoint("responses", "/responses"),
        Endpoint("chat", "/chat/completions"),
    ),
    embeddings_path="/embeddings",
    documentation=(
        # articles/foundry/openai/includes/api-version-lifecycle-content.md: addresses, api-key header, key variable.
        "https://github.com/MicrosoftDocs/azure-ai-docs",
    ),
)
