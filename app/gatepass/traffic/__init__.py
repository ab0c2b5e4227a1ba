"""The calls that pass through a server in test mode: whose they are, what is to go wrong with them, what became of them.

The control plane orders faults and reads the journal, and so does the console; the interception plays them.
"""

from gatepass.traffic.all_calls import InTraffic, InWorlds, Traffic, traffic_of, worlds_of

__all__ = ["InTraffic", "InWorlds", "Traffic", "traffic_of", "worlds_of"]
