"""What the master and its workers say to each other, over a socket only they have."""
