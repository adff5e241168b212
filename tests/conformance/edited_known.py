"""Edited cases that are answered otherwise, and why: names only, the cases are not ours to keep."""

REASONS = {
    ("which instance of a group in a clone moves when both nodes can take it"): (
        "m1-0000-bug-suse-707150",
        "m3-0238-bug-suse-707150",
    ),
    ("numbers that surplus instances of a clone get"): ("m1-0021-inc6",),
    ("the history is of another agent, and the record that says so was edited away"): (
        "m1-0025-bug-5025-4",
        "m1-0124-bug-5025-1",
    ),
    ("a group in a unique promotable clone whose members are in different places"): ("m1-0086-bug-1822",),
    ("clone instances with utilization are spread over nodes of equal room in another order"): (
        "m1-0140-colocated-utilization-clone",
        "m1-0206-colocated-utilization-clone",
        "m2-0187-colocated-utilization-clone",
    ),
    ("a history by the number of an instance that clone-max no longer has is not deleted"): (
        "m1-0202-promoted-9",
        "m2-0298-colocation_constraint_stops_promoted",
    ),
    ("which instance of a promotable group takes the place of one whose node was fenced"): (
        "m1-0259-clone-recover-no-shuffle-11",
    ),
    ("who is promoted beside an instance on a node in maintenance"): ("m1-0286-bug-pm-12",),
    ("what an instance that was never promoted there is said to wish"): ("m2-0052-promoted-9",),
    ("clone-max=0: what runs is told of as removed resources, not as surplus instances"): ("m2-0130-inc10",),
    ("order of the stops of a fence device that was found promoted in two places"): ("m2-0258-bug-lf-2606",),
    ("a group in a promotable clone one member of which is not known to run: its marks"): (
        "m3-0048-clone-recover-no-shuffle-11",
    ),
    ("a group with an unmanaged member passes its stop mark"): ("m3-0072-group-anticolocation-5",),
    ("which of two free nodes an instance goes to"): ("m3-0157-novell-252693-3",),
    ("a fail count that expired is cleared although nothing on record failed"): ("m3-0159-expired-stop-1",),
    ("an instance gives up its place to be promoted where another has not been looked for"): (
        "m3-0183-a-demote-then-b-migrate",
    ),
    (
        "a start that found nothing, of a resource that is unmanaged because it runs on a node in maintenance"
    ): ("m3-0255-multiple-active-block-group",),
}

KNOWN = {name: why for why, names in REASONS.items() for name in names}
