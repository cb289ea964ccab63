"""``python -m taskproc``."""

from taskproc.cli import main

if __name__ == "__main__":
    main()
