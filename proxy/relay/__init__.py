"""After the commit point: frames to the client, and the one record of what the client was told."""
