"""What a laptop does to a lake: full disks, locks, a clock that jumps, dying parents, and the code of yesterday."""
