"""The arithmetic of quotas: what tokens cost, what a request may come to, which limits it must fit. Pure."""
