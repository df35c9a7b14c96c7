"""The durable loop: observe, plan, act, wait for people. It sequences; the planner decides."""
