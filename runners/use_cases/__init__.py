"""What people and programs do with a log, once each: command line, Python API and HTTP server call these functions.

A use case records its decision, lets the improvement process follow, and returns what happened as a typed value.
"""
