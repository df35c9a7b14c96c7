"""Wiring: settings, connection, registration, shutdown."""
