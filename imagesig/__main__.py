"""`python -m imagesig`: the same as the `imagesig` command."""

from imagesig.cli.main import main

main()
