"""The downstream edge: the only aiohttp server. HTTP in, pipeline, HTTP out."""
