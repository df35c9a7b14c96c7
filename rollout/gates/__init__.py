"""Gates: what must be found good before a rollout goes on, a kind a file. Pure."""
