from calibaudit.cli import main

main()
