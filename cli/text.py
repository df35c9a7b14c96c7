"""Text from elsewhere (names, messages of a cluster, files), made fit for a terminal."""


def plain(text: str) -> str:
    """Without control characters, which could move the cursor, hide text or change its direction; lines stay lines."""
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n")


def one_line(text: str) -> str:
    """As `plain`, on one line."""
    return " ".join(plain(" ".join(text.split())).split())
