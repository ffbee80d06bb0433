"""`python -m service.cli`, where the script `ringback` is not on the path."""

from service.cli import main

main()
