"""The installed command, and `python -m calibaudit`; an interrupt while its modules are imported is quiet too."""

import sys

# For -m Python puts the working directory first: a torch.py that lies there among data is no module of ours. Where the
# directory was asked for (PYTHONPATH), it stands there once more.
if __name__ == "__main__" and not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
    del sys.path[0]


def main() -> None:
    """The installed command."""
    try:
        from calibaudit.cli.app import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
