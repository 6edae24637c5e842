"""The store: the only importer of redis. No call outlasts its time, and none is sent twice."""
