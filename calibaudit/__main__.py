"""`python -m calibaudit`."""

try:
    from calibaudit.cli.app import main

    main()
except KeyboardInterrupt:  # while the command line itself is imported
    raise SystemExit(130) from None
