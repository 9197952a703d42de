"""What people can do next about an alert, by its kind, in the terms of the command line. Mails and webhooks carry it."""

from __future__ import annotations

from ...domain.aggregates.alert import Delivery

DECIDE = "It keeps its share of the runs until you decide: 'grokputer rollouts resume {adapter}', '... promote {adapter}' or "
NEXT_STEPS = {
    "breach": "A training is requested. 'grokputer work' runs it, 'grokputer status' shows its progress.",
    "canary failed": "All runs go to what was live before. 'grokputer why {adapter}' shows the numbers of the verdict; "
    "correcting failed runs makes the next training better.",
    "canary inconclusive": f"{DECIDE}'... abort {{adapter}}'.",
    "approval needed": "It keeps its share of the runs until you decide: 'grokputer rollouts approve {adapter}' or "
    "'... abort {adapter}'.",
    "adapter rejected": "No run was sent to it. 'grokputer why {adapter}' shows the numbers.",
    "training failed": "'grokputer doctor' checks the machine; then request another with 'grokputer train {role}'.",
    "training held": "'grokputer train approve' lets it run, 'grokputer train cancel' ends it.",
    "training pending": "It begins when there is a place for it; 'grokputer train cancel' ends it.",
    "low mean": "'grokputer runs --role {role}' lists the rated runs; correct those that failed, or undo the last promotion "
    "with 'grokputer rollouts rollback'.",
    "rollout paused": f"{DECIDE}'... abort {{adapter}}'.",
    "rolled back": "'grokputer rollouts forward {adapter}' makes it live again; 'grokputer train {role}' requests a new one.",
    "rolled forward": "Nothing needs to be done. 'grokputer rollouts rollback {adapter}' undoes it.",
    "rollout ended": "'grokputer rollouts forward {adapter}' makes it live all the same; 'grokputer train {role}' requests a "
    "new one.",
    "weights missing": "Put the folder back, from a backup if there is one; or send the runs elsewhere with "
    "'grokputer rollouts rollback {adapter}'.",
    "not served": "The other endpoints have its runs. 'grokputer why {adapter}' shows what was found; docs/models.md says what "
    "vLLM needs. It is tried again after each start of the endpoint.",
    "push failed": "The worker tries again. 'grokputer adapters push {adapter}' does so now and says what is wrong.",
    "test": "Nothing has happened; this is a test of the delivery of alerts.",
}
"""What to do about each kind of alert."""


def next_step(delivery: Delivery) -> str:
    """What to do next, one or two sentences."""
    if delivery.resolved is not None:
        return "Nothing needs to be done about it any more."
    step = NEXT_STEPS.get(delivery.alert.kind, "'grokputer status' shows the present state.")
    return step.format(adapter=delivery.alert.adapter, role=delivery.alert.role)
