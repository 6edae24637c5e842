"""`segue`, and `python -m proxy`."""

import sys

from proxy.cli.commands import application


def main() -> None:
    application(sys.argv[1:])()


if __name__ == "__main__":
    main()
