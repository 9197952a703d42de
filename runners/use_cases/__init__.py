"""The use cases of a log, one function each; command line, Python API and HTTP server call them.

A use case records its decision, lets the improvement process react, and returns a typed value.
"""
