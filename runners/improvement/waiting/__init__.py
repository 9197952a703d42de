"""Trainings that wait for people: for an approval of their estimated cost, or to be carried to another machine and back."""
