"""The Responses vocabulary: input items, the Response object and its event stream, both roles."""
