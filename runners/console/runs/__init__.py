"""Commands on runs: run, runs, show, rate and correct."""
