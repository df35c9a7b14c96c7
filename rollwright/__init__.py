"""Durable rollouts of long, GPU-bound workloads on Kubernetes."""
