"""One folder per wire dialect; each exports one object. The list is `catalog.py`."""
