"""The use cases of a log, one function each; the command line and the Python API call them.

A use case records its decision, lets the improvement process react, and returns a typed value.
"""
