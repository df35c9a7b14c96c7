"""What counts come to, reckoned apart from the product: maxUnavailable is rounded down, maxSurge up."""


def down(count: int | str, replicas: int) -> int:
    """So many of the replicas, or the whole number below."""
    return count if isinstance(count, int) else _percent(count) * replicas // 100


def up(count: int | str, replicas: int) -> int:
    """So many of the replicas, or the whole number above."""
    return count if isinstance(count, int) else -(-_percent(count) * replicas // 100)


def _percent(count: str) -> int:
    return int(count.removesuffix("%"))
