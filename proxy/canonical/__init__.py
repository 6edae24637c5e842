"""The language between vocabularies: requests, events and answers that belong to nobody's wire."""
