"""The installed command, and `python -m calibaudit`; an interrupt while its modules are imported is quiet too."""

import sys


def main() -> None:
    """The installed command."""
    try:
        from calibaudit.cli.app import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
