"""Citations as this wire's annotations and back.

Source: openai-python 3.52, `types/responses/response_output_text.py`.
"""

from typing import Any

from proxy.canonical.events import Citation


def annotation_of(citation: Citation) -> dict[str, Any]:
    """A url_citation or a file_citation; positions nobody told are 0."""
    if citation.source == "file" or (citation.url is None and citation.file_id is not None):
        return {
            "type": "file_citation",
            "file_id": citation.file_id or "",
            "filename": citation.title,
            "index": citation.start or 0,
        }
    return {
        "type": "url_citation",
        "start_index": citation.start or 0,
        "end_index": citation.end or 0,
        "url": citation.url or "",
        "title": citation.title,
    }


def citation_of(annotation: dict[str, Any]) -> Citation | None:
    """None for annotations that cite nothing (file paths) or are broken."""
    kind = annotation.get("type")
    if kind == "url_citation" and isinstance(annotation.get("url"), str):
        return Citation(
            url=annotation["url"],
            title=_text(annotation, "title"),
            start=_index(annotation, "start_index"),
            end=_index(annotation, "end_index"),
        )
    if kind in ("file_citation", "container_file_citation"):
        return Citation(
            title=_text(annotation, "filename"),
            source="file",
            file_id=_text(annotation, "file_id") or None,
            start=_index(annotation, "start_index", "index"),
            end=_index(annotation, "end_index"),
        )
    return None


def _text(annotation: dict[str, Any], name: str) -> str:
    value = annotation.get(name)
    return value if isinstance(value, str) else ""


def _index(annotation: dict[str, Any], *names: str) -> int | None:
    found = (annotation.get(name) for name in names)
    return next((value for value in found if isinstance(value, int) and not isinstance(value, bool)), None)
