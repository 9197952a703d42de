"""The benchmark of function calls: tasks and judge are those of BFCL v4, made by others."""
