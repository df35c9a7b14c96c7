"""The pure core: what to do next, given what is seen. No I/O, clock, randomness, Temporal or Kubernetes."""
