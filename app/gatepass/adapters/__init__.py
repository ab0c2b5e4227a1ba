"""Where the core meets the machine: the database, the clock, the mail, the worker."""
