"""An embedded Kubernetes for the demo and the tests. For development only."""
