"""What a good mobile client survives, tried on one: `gatepass check-client`.

A *scenario* plays one mishap to a client in a fresh world (`stage`), asks it to act (`driver`), and judges what it did
by the calls that reached the server (`verdicts`). `reports` writes that down.
"""
