"""One small idempotent function per thing done to the cluster."""
