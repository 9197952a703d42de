"""What puts the fleet through its trial, and finds out whether what it promises holds.

``phases`` is the order of the trial, and ``roster`` starts and kills the processes. ``checks`` and ``reference`` look for what
is lost or different. ``truth`` plays canaries, ``endpoints`` and ``cold`` try servers and cold storage. ``figures`` and
``report`` make the tables.
"""
