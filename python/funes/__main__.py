"""``python -m funes``: the command line."""

from funes._tools.cli.main import main

if __name__ == "__main__":
    main()
