"""`make fuzz [MINUTES=n]`: the tests marked fuzz, again and again, each time with new cases; ends at the first failure.

What Hypothesis prints of a failure is the smallest case it has found: it belongs into the test, as an example.
"""

import argparse
import os
import subprocess
import sys
import time


def main() -> int:
    """Run until the time is over; a round that was begun is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    ends, rounds = time.monotonic() + 60 * parser.parse_args().minutes, 0
    while time.monotonic() < ends:
        rounds += 1
        print(f"round {rounds}", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "fuzz"]
        if code := subprocess.run(command, env=os.environ | {"ROLLWRIGHT_EXPLORE": "1"}, check=False).returncode:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
