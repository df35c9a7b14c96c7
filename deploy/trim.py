"""Takes out of the environment it runs in what no process of rollwright ever loads; called by the Dockerfile.

More than a third of it is generated code for requests to Kubernetes, which rollwright writes itself, as JSON.
"""

import shutil
import sysconfig
from pathlib import Path

NEEDLESS = (
    # Of the Kubernetes client only connections, watches and quantities are used; it loads the rest when asked for it.
    "kubernetes/client/api/[!_]*",
    "kubernetes/client/models/[!_]*",
    "kubernetes/aio/client/api/[!_]*",
    "kubernetes/aio/client/models/[!_]*",
    "kubernetes/**/*_test.py",
    # The Rust sources that Temporal's library was built from.
    "temporalio/bridge/sdk-core",
    # What apprise says to people in other languages.
    "apprise/i18n",
    # For type checkers, and for whoever develops the package.
    "**/*.pyi",
    "*/tests",
)


def main() -> None:
    """Remove it. A pattern that finds nothing is a mistake: the package has changed, look again."""
    packages = Path(sysconfig.get_path("purelib"))
    for pattern in NEEDLESS:
        found = list(packages.glob(pattern))
        if not found:
            raise SystemExit(f"{pattern} finds nothing in {packages}: adapt deploy/trim.py to what is installed now")
        for path in found:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


if __name__ == "__main__":
    main()
