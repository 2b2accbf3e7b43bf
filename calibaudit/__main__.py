from calibaudit.cli.app import main

main()
