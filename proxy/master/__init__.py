"""The process that owns the sockets, the store, the configuration and the workers; it serves no request itself."""
