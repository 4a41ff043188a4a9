"""``python -m funes``: the command line."""

from funes._cli.start import main

if __name__ == "__main__":
    main()
