"""`./dev soak`: very many streams, and what they leave in memory."""
