"""`python -m calibaudit`."""

import sys

# For -m Python puts the working directory first: a torch.py that lies there among data is no module of ours. Where the
# directory was asked for (PYTHONPATH), it stands there once more.
if __name__ == "__main__" and not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
    del sys.path[0]

try:
    from calibaudit.cli.app import main

    main()
except KeyboardInterrupt:  # while the command line itself is imported
    raise SystemExit(130) from None
