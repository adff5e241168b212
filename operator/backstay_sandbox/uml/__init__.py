"""Hosts with kernels of their own: each is a User-Mode Linux kernel, with its own device mapper, mounts and power.

``bed`` obtains kernel and guest tree and keeps them in a cache; ``host`` boots one host; ``guest_init`` and
``exec_server`` are what runs inside; ``shared_volume`` makes the volume group of the tutorial at every `up`.
"""
