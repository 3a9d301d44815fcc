"""`python -m flowcli`."""

from flowcli.cli.app import main

if __name__ == "__main__":
    main()
