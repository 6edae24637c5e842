"""The stream conformance checker: judges the bytes a client saw, independently of the code that wrote them."""
