"""A fleet with several logs, simulated on one machine: what ``benchmarks/fleet.py`` is made of.

    gateways ──whole runs──▶ shard 0 … shard n-1      one log each: order, tree and head of its own
    counter of each shard ──RunsCounted──▶ decision log     what was counted: range, head, counts, order of outcomes
    decider ◀──────────────────────────── decision log     its events alone decide; verdicts are stored there
    gateways ◀─────────────────────────── decision log     shares and live adapters, a moment old

- A *shard* (``layout``) is a log of the product in a schema of PostgreSQL. A run lies in the shard of its session, whole:
  it is stored in one commit when it ends (``gateway``, ``world``).
- A *counter* (``counter``, ``counted``, ``tally``) tells the decision log what a range of its shard's positions holds.
  Ranges follow each other without gap or overlap, or are refused. So a counter may die at any moment.
- The *decision log* is small. The *decider* (``decider``) is a function of it, by the product's own rules.

``trial`` finds out whether that holds while processes die.
"""
