"""Citations. Source: anthropic (Python) 2.11, `types/citations_delta.py` and the five location types behind it."""

from typing import Any

from proxy.canonical.events import Citation
from proxy.vocabularies.messages.schema import text_of

_WEB = "web_search_result_location"


def read_citation(citation: dict[str, Any]) -> Citation:
    """Its offsets count places in the source, not in the answer, so they are left behind."""
    on_web = citation.get("type") == _WEB
    return Citation(
        url=text_of(citation.get("url")) or None,
        title=text_of(citation.get("title")) or text_of(citation.get("document_title")),
        snippet=text_of(citation.get("cited_text")),
        source="web" if on_web else "file",
        file_id=text_of(citation.get("file_id")) or None,
    )


def write_citation(citation: Citation) -> dict[str, Any]:
    """The location type that fits best. The index a web location must have is empty: we have none to give."""
    if citation.source == "web":
        return {
            "type": _WEB,
            "cited_text": citation.snippet,
            "url": citation.url or "",
            "title": citation.title or None,
            "encrypted_index": "",
        }
    return {
        "type": "char_location",
        "cited_text": citation.snippet,
        "document_index": 0,
        "document_title": citation.title or None,
        "file_id": citation.file_id,
        "start_char_index": 0,
        "end_char_index": len(citation.snippet),
    }


def is_made_up(citation: Any) -> bool:
    """Whether a citation sent back is one that `write_citation` had to complete, and no provider would know."""
    return isinstance(citation, dict) and citation.get("type") == _WEB and not citation.get("encrypted_index")
