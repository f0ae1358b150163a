"""A process that signs and verifies for long, while servers restart and logins end: `make soak`."""
