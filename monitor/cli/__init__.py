"""Parse, call one function, print."""


def main() -> None:
    raise SystemExit(2)
