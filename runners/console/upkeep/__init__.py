"""Commands of upkeep: settings, doctor, backup, restore and forget."""
