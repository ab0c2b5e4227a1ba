"""What is wrong with a deployment, or will be: the checks of `gatepass doctor`.

A check is one function that looks at one thing and returns one `Finding`; its name is the function's. None writes
anything, none prints a secret, and none takes longer than a few seconds.
"""
